// The provider's memory: one map with expiry and a bound, and the adapter that oidc-provider expects.
// It lives outside the provider, so that sessions and tokens survive when the provider is built anew
// with other keys.

const MAX_ENTRIES = 500_000;
const SWEEP_EVERY_MS = 10_000;
const OF_A_GRANT = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken']);

export class Store {
  #entries = new Map(); // "Model:id" -> { payload, expiresAt in ms }

  #byGrant = new Map(); // grant id -> Set of keys

  #bySessionUid = new Map(); // session uid -> session id

  constructor({ maxEntries = MAX_ENTRIES, now = Date.now } = {}) {
    this.maxEntries = maxEntries;
    this.now = now;
    this.sweeper = setInterval(() => this.sweep(), SWEEP_EVERY_MS);
    this.sweeper.unref();
  }

  get size() {
    return this.#entries.size;
  }

  read(key) {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAt <= this.now()) {
      this.remove(key);
      return undefined;
    }
    return entry.payload;
  }

  write(model, id, payload, expiresIn) {
    const key = `${model}:${id}`;
    this.remove(key);
    if (this.#entries.size >= this.maxEntries) this.remove(this.#entries.keys().next().value);
    const expiresAt = expiresIn === undefined ? Infinity : this.now() + expiresIn * 1000;
    this.#entries.set(key, { payload, expiresAt });
    if (model === 'Session') this.#bySessionUid.set(payload.uid, id);
    if (OF_A_GRANT.has(model) && payload.grantId) {
      const members = this.#byGrant.get(payload.grantId) ?? new Set();
      this.#byGrant.set(payload.grantId, members.add(key));
    }
  }

  remove(key) {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    const { uid, grantId } = entry.payload;
    const id = key.slice(key.indexOf(':') + 1);
    if (this.#bySessionUid.get(uid) === id) this.#bySessionUid.delete(uid);
    const members = this.#byGrant.get(grantId);
    if (members?.delete(key) && members.size === 0) this.#byGrant.delete(grantId);
  }

  sessionId(uid) {
    return this.#bySessionUid.get(uid);
  }

  removeTokensOf(grantId) {
    for (const key of [...this.#byGrant.get(grantId) ?? []]) this.remove(key);
  }

  /** The live payloads of one model. */
  * list(model) {
    for (const key of [...this.#entries.keys()]) {
      const payload = key.startsWith(`${model}:`) ? this.read(key) : undefined;
      if (payload !== undefined) yield payload;
    }
  }

  /** Ends every grant whose refresh token satisfies the test; returns how many. */
  removeGrantsWhere(matches) {
    const grantIds = new Set();
    for (const token of this.list('RefreshToken')) if (matches(token)) grantIds.add(token.grantId);
    for (const grantId of grantIds) {
      this.removeTokensOf(grantId);
      this.remove(`Grant:${grantId}`);
    }
    return grantIds.size;
  }

  sweep() {
    const now = this.now();
    for (const [key, entry] of this.#entries) if (entry.expiresAt <= now) this.remove(key);
  }
}

/** oidc-provider's adapter for one model, over the shared store. */
export const adapterFor = (store) => (model) => ({
  async upsert(id, payload, expiresIn) {
    store.write(model, id, payload, expiresIn);
  },
  async find(id) {
    return store.read(`${model}:${id}`);
  },
  async findByUid(uid) {
    return store.read(`${model}:${store.sessionId(uid)}`);
  },
  async findByUserCode() {
    return undefined; // the device flow is off
  },
  async consume(id) {
    const payload = store.read(`${model}:${id}`);
    if (payload !== undefined) payload.consumed = Math.floor(store.now() / 1000);
  },
  async destroy(id) {
    store.remove(`${model}:${id}`);
  },
  async revokeByGrantId(grantId) {
    store.removeTokensOf(grantId);
  },
});

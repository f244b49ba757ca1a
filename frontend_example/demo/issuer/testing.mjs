// Aids for tests, on /_test/ and only when the configuration asks for them: what was called how often,
// planned faults, and the things an administrator of a real provider would do.
import { buildFault, Faults, FAULTY_ENDPOINTS } from './faults.mjs';
import { newSigningKey } from './keys.mjs';

const MAX_BODY_BYTES = 64 * 1024;
const ENDPOINT_OF_PATH = {
  '/token': 'token',
  '/jwks': 'jwks',
  '/.well-known/openid-configuration': 'discovery',
  '/token/revocation': 'revocation',
  '/me': 'userinfo',
};
const ZERO = Object.freeze({
  authorization_code: 0,
  authorization_code_errors: 0,
  refresh_token: 0,
  refresh_token_errors: 0,
  reuse_detected: 0,
  token_requests: 0,
  faults: 0,
  revocations: 0,
  jwks: 0,
  discovery: 0,
  userinfo: 0,
  end_session: 0,
  backchannel_logouts: 0,
});

async function readJson(req) {
  const chunks = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw Object.assign(new Error('the body is too large'), { status: 413 });
    chunks.push(chunk);
  }
  return size === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

export class TestHooks {
  #counters = { ...ZERO };

  #faults = new Faults();

  #provider;

  #keys;

  #serveWith;

  #lifetime; // of access tokens, as configured

  constructor({ config, store, users }) {
    Object.assign(this, { config, store, users });
    this.#lifetime = config.ttl.access_token;
  }

  /** Watches this provider from now on; called again when it is built anew with other keys. */
  follow(provider, { keys, serveWith }) {
    this.#provider = provider;
    this.#keys = keys;
    this.#serveWith = serveWith;
    provider.on('grant.success', (ctx) => this.#count(ctx.oidc.params.grant_type));
    provider.on('grant.error', (ctx, error) => {
      this.#count(`${ctx.oidc.params?.grant_type}_errors`);
      if (error.error_detail === 'refresh token already used') this.#count('reuse_detected');
    });
    provider.on('end_session.success', () => this.#count('end_session'));
    provider.on('backchannel.success', () => this.#count('backchannel_logouts'));
  }

  #count(name) {
    if (name in this.#counters) this.#counters[name] += 1;
  }

  /** Koa middleware that stands before the provider. */
  middleware() {
    return async (ctx, next) => {
      if (ctx.path.startsWith('/_test/')) {
        await this.#answer(ctx);
        return;
      }
      const endpoint = ENDPOINT_OF_PATH[ctx.path];
      if (endpoint === 'token') this.#count('token_requests');
      const fault = endpoint && this.#faults.take(endpoint);
      if (fault !== undefined) this.#count('faults');
      await (fault === undefined ? next() : fault(ctx, next));
      if (endpoint === 'revocation' && ctx.status === 200) this.#count('revocations');
      else if (endpoint !== undefined && endpoint !== 'token') this.#count(endpoint);
    };
  }

  async #answer(ctx) {
    const command = this.#commands()[`${ctx.method} ${ctx.path.slice('/_test/'.length)}`];
    if (command === undefined) {
      ctx.status = 404;
      return;
    }
    try {
      ctx.body = await command(await readJson(ctx.req));
    } catch (error) {
      ctx.status = error.status ?? 400;
      ctx.body = { error: error.message };
    }
  }

  #commands() {
    return {
      'GET counters': () => this.#counters,
      'POST reset': () => this.#reset(),
      'POST fault': (body) => this.#planFault(body),
      'POST revoke-grants': ({ sub }) => ({
        revoked: this.store.removeGrantsWhere((token) => sub === undefined || token.accountId === sub),
      }),
      'POST backchannel-logout': ({ sub }) => this.#endSessionsOf(sub),
      'POST rotate-keys': ({ keep = true }) => this.#rotateKeys(keep),
      'POST retire-keys': () => this.#serveOnly(this.#keys.slice(0, 1)),
      'POST roles': ({ sub, roles }) => this.#setRoles(sub, roles),
      'POST lifetime': ({ seconds }) => this.#setLifetime(seconds),
      'GET sessions': () => [...this.store.list('Session')]
        .filter(({ accountId }) => accountId !== undefined)
        .map(({ accountId, uid }) => ({ sub: accountId, uid })),
    };
  }

  /** Counters to zero, planned faults gone, roles and lifetimes as configured. Sessions and keys stay. */
  #reset() {
    this.#counters = { ...ZERO };
    this.#faults.clear();
    for (const { sub, roles } of this.config.users) this.users.setRoles(sub, roles);
    this.config.ttl.access_token = this.#lifetime;
    return this.#counters;
  }

  #planFault({ endpoint, times, ...fault }) {
    if (!FAULTY_ENDPOINTS.includes(endpoint)) throw new Error(`endpoint must be one of ${FAULTY_ENDPOINTS.join(', ')}`);
    if (fault.mode === 'off') this.#faults.end(endpoint);
    else if (buildFault(fault) === undefined) throw new Error(`unknown mode ${fault.mode}`);
    else this.#faults.plan(endpoint, (over) => buildFault(fault, over), times ?? Infinity);
    return { endpoint, mode: fault.mode, times: times ?? null };
  }

  #setRoles(sub, roles) {
    if (!Array.isArray(roles) || !this.users.setRoles(sub, roles)) throw new Error('a known sub and a list of roles, please');
    return { sub, roles };
  }

  /** Access tokens that are issued from now on live so long. */
  #setLifetime(seconds) {
    if (!Number.isInteger(seconds) || seconds <= 0) throw new Error('a whole number of seconds above 0, please');
    this.config.ttl.access_token = seconds;
    return { seconds };
  }

  /** OIDC Back-Channel Logout 1.0 §2.5: every client of every session of this subject is told. */
  async #endSessionsOf(sub) {
    const provider = this.#provider;
    const outcome = { sessions: 0, notified: 0, failed: 0 };
    for (const { uid } of [...this.store.list('Session')].filter(({ accountId }) => accountId === sub)) {
      const session = await provider.Session.findByUid(uid);
      await Promise.all(Object.keys(session.authorizations ?? {}).map(async (clientId) => {
        const client = await provider.Client.find(clientId);
        if (!client?.backchannelLogoutUri) return;
        try {
          await client.backchannelLogout(sub, session.sidFor(clientId));
          outcome.notified += 1;
          this.#count('backchannel_logouts');
        } catch (error) {
          outcome.failed += 1;
          process.stderr.write(`back-channel logout of ${clientId}: ${error.message}\n`);
        }
      }));
      await session.destroy();
      outcome.sessions += 1;
    }
    return outcome;
  }

  async #rotateKeys(keep) {
    const key = await newSigningKey(this.config.signing_alg);
    return this.#serveOnly(keep ? [key, ...this.#keys] : [key]);
  }

  #serveOnly(keys) {
    this.#serveWith(keys);
    return { kids: keys.map(({ kid }) => kid) };
  }
}

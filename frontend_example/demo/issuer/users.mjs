// Who can sign in. The password of a demo user is the user name, unless the configuration says otherwise.
import { createHash, timingSafeEqual } from 'node:crypto';

const MAX_USERS = 100_000;
const PLAIN_NAME = /^[a-z0-9][a-z0-9_.-]{0,63}$/;

const digest = (text) => createHash('sha256').update(text).digest();

export class Users {
  #bySub;

  constructor(users) {
    this.#bySub = new Map(users.map((user) => [user.sub, { password: user.sub, ...user }]));
  }

  find(sub) {
    return this.#bySub.get(sub);
  }

  /** The user when name and password fit, else undefined. */
  authenticate(login, password) {
    const user = this.#bySub.get(login);
    const isRight = timingSafeEqual(digest(user?.password ?? ''), digest(password));
    return user !== undefined && isRight ? user : undefined;
  }

  /** For load tests: an unknown but plain name becomes a reader. */
  ensure(sub) {
    if (!this.#bySub.has(sub) && PLAIN_NAME.test(sub) && this.#bySub.size < MAX_USERS) {
      this.#bySub.set(sub, { sub, password: sub, name: sub, email: `${sub}@demo.example`, roles: ['reader'] });
    }
    return this.#bySub.get(sub);
  }

  setRoles(sub, roles) {
    const user = this.#bySub.get(sub);
    if (user === undefined) return false;
    this.#bySub.set(sub, { ...user, roles: [...roles] });
    return true;
  }

  list() {
    return [...this.#bySub.values()];
  }
}

export const claimsOf = ({ sub, name, email, roles }) => ({ sub, name, email, email_verified: true, roles });

/** Which claims a scope opens. The profile brings the address too, so that the demo's ID tokens are complete. */
export const CLAIMS_OF_SCOPE = Object.freeze({
  openid: ['sub'],
  profile: ['name', 'email', 'email_verified', 'roles'],
  email: ['email', 'email_verified'],
  roles: ['roles'],
});

// Faults that a test plans for one endpoint: a status instead of an answer, a delay, a lost connection.
import { setTimeout as delay } from 'node:timers/promises';

const MODE = /^(?:(status):([1-5]\d\d)|(delay|hold):(\d{1,6})|(drop|lose))$/;
export const FAULTY_ENDPOINTS = ['token', 'jwks', 'discovery', 'revocation', 'userinfo'];

function dropConnection(ctx) {
  ctx.respond = false;
  ctx.req.socket.destroy();
}

/**
 * One planned fault as a function of (ctx, next); undefined when the mode is not known.
 *
 * status:NNN answers so without doing the work; delay:MS waits and then does it; hold:MS does it and then
 * waits with the answer; drop cuts the connection before the work, lose cuts it after.
 */
export function buildFault({ mode, body, retry_after: retryAfter }) {
  const [, status, code, wait, ms, cut] = MODE.exec(mode) ?? [];
  if (status) {
    return (ctx) => {
      ctx.status = Number(code);
      if (retryAfter !== undefined) ctx.set('retry-after', String(retryAfter));
      ctx.body = body ?? { error: 'temporarily_unavailable' };
    };
  }
  if (wait === 'delay') return (_ctx, next) => delay(Number(ms)).then(next);
  if (wait === 'hold') return (_ctx, next) => next().then(() => delay(Number(ms)));
  if (cut === 'drop') return dropConnection;
  if (cut === 'lose') return (ctx, next) => next().then(() => dropConnection(ctx));
  return undefined;
}

export class Faults {
  #planned = new Map(); // endpoint -> { run, left }

  plan(endpoint, run, times) {
    if (run === undefined) this.#planned.delete(endpoint);
    else this.#planned.set(endpoint, { run, left: times });
  }

  /** The fault that meets this request, if any; each meeting uses one up. */
  take(endpoint) {
    const planned = this.#planned.get(endpoint);
    if (planned === undefined) return undefined;
    planned.left -= 1;
    if (planned.left <= 0) this.#planned.delete(endpoint);
    return planned.run;
  }

  clear() {
    this.#planned.clear();
  }
}

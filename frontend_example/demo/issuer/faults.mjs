// Faults that a test plans for one endpoint: a status instead of an answer, a delay, a lost connection.
import { setTimeout as delay } from 'node:timers/promises';

const MODE = /^(?:(status):([1-5]\d\d)|(delay|hold):(\d{1,6})|(drop|lose|hold))$/;
export const FAULTY_ENDPOINTS = ['token', 'jwks', 'discovery', 'revocation', 'userinfo'];

function dropConnection(ctx) {
  ctx.respond = false;
  ctx.req.socket.destroy();
}

/**
 * One planned fault as a function of (ctx, next); undefined when the mode is not known.
 *
 * status:NNN answers so without doing the work; delay:MS waits and then does it; hold:MS does it and then
 * waits with the answer, hold until `over` settles; drop cuts the connection before the work, lose cuts it after.
 */
export function buildFault({ mode, body, retry_after: retryAfter }, over) {
  const [, status, code, wait, ms, way] = MODE.exec(mode) ?? [];
  if (status) {
    return (ctx) => {
      ctx.status = Number(code);
      if (retryAfter !== undefined) ctx.set('retry-after', String(retryAfter));
      ctx.body = body ?? { error: 'temporarily_unavailable' };
    };
  }
  if (wait === 'delay') return (_ctx, next) => delay(Number(ms)).then(next);
  if (wait === 'hold') return (_ctx, next) => next().then(() => delay(Number(ms)));
  if (way === 'hold') return (_ctx, next) => next().then(() => over);
  if (way === 'drop') return dropConnection;
  if (way === 'lose') return (ctx, next) => next().then(() => dropConnection(ctx));
  return undefined;
}

export class Faults {
  #planned = new Map(); // endpoint -> { run, left }
  #over = new Map(); // endpoint -> settles what is held there

  /** Plans what `build` makes of a promise that settles when the endpoint's fault is another one, or none. */
  plan(endpoint, build, times) {
    this.end(endpoint);
    const run = build(new Promise((settle) => this.#over.set(endpoint, settle)));
    if (run !== undefined) this.#planned.set(endpoint, { run, left: times });
  }

  end(endpoint) {
    this.#planned.delete(endpoint);
    this.#over.get(endpoint)?.();
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
    for (const endpoint of FAULTY_ENDPOINTS) this.end(endpoint);
  }
}

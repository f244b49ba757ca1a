// The provider answers userinfo for opaque access tokens only. Ours are JWTs for the API, and like most
// large providers we let the user they speak for be looked up with them too.
import { createLocalJWKSet, errors, jwtVerify } from 'jose';

import { CLAIMS_OF_SCOPE, claimsOf } from './users.mjs';

const JWT_BEARER = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i;

const publicPart = ({ d, p, q, dp, dq, qi, ...jwk }) => jwk;

function refuse(ctx, status, error) {
  ctx.status = status;
  ctx.set('www-authenticate', `Bearer error="${error}"`);
  ctx.body = { error };
}

/** Koa middleware for GET /me with a JWT access token; every other request passes on. */
export function userinfoForJwt(provider, { config, users, keys }) {
  const jwks = createLocalJWKSet({ keys: keys.map(publicPart) });
  const expected = {
    issuer: provider.issuer,
    audience: [config.audience, ...config.extra_audiences],
    typ: 'at+jwt',
    algorithms: [config.signing_alg],
  };
  return async (ctx, next) => {
    const token = ctx.path === '/me' && ctx.method === 'GET' && JWT_BEARER.exec(ctx.get('authorization'))?.[1];
    if (!token) {
      await next();
      return;
    }
    ctx.set('cache-control', 'no-store');
    let payload;
    try {
      ({ payload } = await jwtVerify(token, jwks, expected));
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
      refuse(ctx, 401, 'invalid_token');
      return;
    }
    const user = users.find(payload.sub);
    const scopes = (payload.scope ?? '').split(' ');
    if (user === undefined) refuse(ctx, 401, 'invalid_token');
    else if (!scopes.includes('openid')) refuse(ctx, 403, 'insufficient_scope');
    else {
      const all = claimsOf(user);
      ctx.body = Object.fromEntries(scopes.flatMap((scope) => CLAIMS_OF_SCOPE[scope] ?? []).map((name) => [name, all[name]]));
    }
  };
}

// How the OpenID provider is set up, from our configuration.
import Provider, { errors } from 'oidc-provider';

import { interactionRoute } from './interaction.mjs';
import { errorPage, logoutPage, securityHeaders, serveAsset, signedOutPage } from './pages.mjs';
import { adapterFor } from './store.mjs';
import { CLAIMS_OF_SCOPE, claimsOf } from './users.mjs';
import { userinfoForJwt } from './userinfo.mjs';

const OIDC_SCOPES = ['openid', 'offline_access', 'profile', 'email', 'roles'];
const API_SCOPES = ['tasks:read', 'tasks:write'];
const MINUTE = 60;

/** Client metadata in the provider's words. */
function clientMetadata({ access_token_format: _, jwks, ...client }, signingAlg) {
  const byKey = client.token_endpoint_auth_method === 'private_key_jwt';
  return {
    ...client,
    client_secret: byKey ? undefined : client.client_secret,
    jwks: byKey ? jwks : undefined,
    backchannel_logout_uri: client.backchannel_logout_uri ?? undefined,
    backchannel_logout_session_required: Boolean(client.backchannel_logout_uri),
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    id_token_signed_response_alg: signingAlg,
  };
}

/** Which API an access token is for, and what the token looks like. */
function resourceIndicators(config) {
  const isOpaque = new Map(config.clients.map((client) => [client.client_id, client.access_token_format === 'opaque']));
  const audiences = [config.audience, ...config.extra_audiences];
  return {
    enabled: true,
    defaultResource: (_ctx, client, oneOf) => (
      oneOf?.[0] ?? (isOpaque.get(client.clientId) ? undefined : config.audience)
    ),
    useGrantedResource: () => true,
    getResourceServerInfo(_ctx, audience) {
      if (!audiences.includes(audience)) throw new errors.InvalidTarget();
      return {
        audience,
        scope: [...OIDC_SCOPES, ...API_SCOPES].join(' '),
        accessTokenFormat: 'jwt',
        accessTokenTTL: config.ttl.access_token,
        jwt: { sign: { alg: config.signing_alg } },
      };
    },
  };
}

/**
 * A grant of its own for every authorization, without asking: two sessions at the client do not share
 * refresh tokens, and revoking one leaves the other alone.
 */
async function loadExistingGrant(ctx) {
  const { client, session, provider, resourceServers, requestParamScopes } = ctx.oidc;
  const grant = new provider.Grant({ accountId: session.accountId, clientId: client.clientId });
  grant.addOIDCScope([...ctx.oidc.requestParamOIDCScopes]);
  for (const server of Object.values(resourceServers)) {
    grant.addResourceScope(server.identifier(), [...requestParamScopes].filter((scope) => server.scopes.has(scope)));
  }
  await grant.save();
  return grant;
}

function logoutSource(ctx, form) {
  const { IdTokenHint: hint, Client: client } = ctx.oidc.entities;
  const isCertain = hint !== undefined && hint.payload.sub === ctx.oidc.session.accountId;
  ctx.set(securityHeaders(client));
  ctx.body = logoutPage({ form, clientName: client?.clientName, isCertain });
}

function renderError(ctx, out) {
  ctx.set(securityHeaders());
  ctx.type = 'html';
  ctx.body = errorPage(out);
}

function features(config) {
  return {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    introspection: {
      enabled: true,
      allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
    },
    revocation: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource,
      postLogoutSuccessSource(ctx) {
        ctx.set(securityHeaders());
        ctx.body = signedOutPage();
      },
    },
    resourceIndicators: resourceIndicators(config),
  };
}

function providerSetup({ config, store, users, keys }) {
  const { ttl } = config;
  return {
    adapter: adapterFor(store),
    jwks: { keys },
    clients: config.clients.map((client) => clientMetadata(client, config.signing_alg)),
    clientDefaults: { id_token_signed_response_alg: config.signing_alg },
    clientBasedCORS: () => false,
    scopes: OIDC_SCOPES,
    claims: CLAIMS_OF_SCOPE,
    conformIdTokenClaims: false, // the ID token carries name, email and roles
    features: features(config),
    extraTokenClaims(_ctx, token) {
      const user = users.find(token.accountId);
      return user === undefined ? undefined : { name: user.name, roles: user.roles };
    },
    findAccount(_ctx, sub) {
      const user = users.find(sub);
      return user && { accountId: sub, claims: () => claimsOf(users.find(sub)) };
    },
    loadExistingGrant,
    // Refresh tokens come without prompt=consent; they end with the session by our own rule, see below.
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: () => false,
    rotateRefreshToken: config.rotate,
    pkce: { required: () => true },
    responseTypes: ['code'],
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    renderError,
    ttl: {
      AccessToken: () => ttl.access_token, // a test may change it
      AuthorizationCode: MINUTE,
      Grant: Math.max(ttl.refresh_token, ttl.session),
      IdToken: ttl.id_token,
      Interaction: 10 * MINUTE,
      RefreshToken: ttl.refresh_token,
      Session: ttl.session,
    },
    // The default refuses loopback and private addresses, where demo clients live.
    fetch(url, options) {
      delete options.dispatcher;
      return globalThis.fetch(url, options);
    },
  };
}

const log = (what, error) => process.stderr.write(`${what}: ${error.message.replaceAll('\n', ' ')}\n`);

async function renderOwnErrors(ctx, next) {
  try {
    await next();
  } catch (error) {
    ctx.status = error.statusCode ?? error.status ?? 500;
    if (ctx.status >= 500) log('server error', error);
    renderError(ctx, { error: error.error ?? 'server_error', error_description: error.error_description ?? error.message });
  }
}

/** The OpenID provider, ready to serve. `parts` holds config, store, users and keys. */
export function buildProvider(issuer, parts, { before = [] } = {}) {
  const { store } = parts;
  const provider = new Provider(issuer, providerSetup(parts));
  provider.proxy = true; // the listener sets the forwarded protocol itself, from the issuer URL
  for (const middleware of before) provider.use(middleware(provider));
  provider.use(renderOwnErrors);
  provider.use(async (ctx, next) => (serveAsset(ctx) ? undefined : next()));
  provider.use(interactionRoute(provider, parts));
  provider.use(userinfoForJwt(provider, parts));

  // OIDC RP-Initiated Logout: what a session started ends with it, whichever client asked.
  provider.on('session.destroyed', ({ uid }) => store.removeGrantsWhere((token) => token.sessionUid === uid));
  provider.on('server_error', (_ctx, error) => log('server error', error));
  provider.on('backchannel.error', (_ctx, error) => log('back-channel logout', error));
  provider.on('error', (error) => log('request', error));
  return provider;
}

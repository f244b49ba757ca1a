// Reads, completes and checks the one configuration document. Nothing else reads the environment.
import { readFileSync } from 'node:fs';

const HOUR = 3600;

// Every key the document may hold, with what it is when left out.
const DEFAULTS = Object.freeze({
  host: '127.0.0.1',
  port: 0, // 0: the operating system chooses
  issuer: null, // the public URL, when it is not http://host:port
  client_id: 'demo-bff',
  client_name: 'Task board',
  client_secret: 'demo-bff-secret-for-local-use-only',
  redirect_uris: ['http://localhost:8080/bff/callback'],
  post_logout_redirect_uris: ['http://localhost:8080/'],
  backchannel_logout_uri: null,
  token_endpoint_auth_method: 'client_secret_basic',
  jwks: null, // the client's public keys, for private_key_jwt
  access_token_format: 'jwt', // or "opaque": no audience, good for userinfo and introspection only
  clients: [], // further clients, each with the client keys above
  ttl: { access_token: 30, refresh_token: 8 * HOUR, id_token: HOUR, session: 12 * HOUR },
  signing_alg: 'RS256',
  audience: 'https://api.demo.example',
  extra_audiences: [], // further APIs that a client may ask a token for by `resource`
  rotate: true, // refresh tokens are used once, and a second use revokes the grant
  users: [
    { sub: 'alice', name: 'Alice Arden', email: 'alice@demo.example', roles: ['admin', 'reader'] },
    { sub: 'bob', name: 'Bob Birch', email: 'bob@demo.example', roles: ['reader'] },
  ],
  show_users: true, // the login page tells who may sign in
  auto_login: false, // login_hint signs in without the form, and unknown names become readers
  test_hooks: false, // the /_test/ paths
  exit_with_parent: false, // stop when standard input closes
});

const CLIENT_KEYS = [
  'client_id', 'client_name', 'client_secret', 'redirect_uris', 'post_logout_redirect_uris',
  'backchannel_logout_uri', 'token_endpoint_auth_method', 'jwks', 'access_token_format',
];
const AUTH_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'];
const SIGNING_ALGS = ['RS256', 'PS256', 'ES256', 'EdDSA'];

export class ConfigError extends Error {}

function check(condition, message) {
  if (!condition) throw new ConfigError(message);
}

function checkKeys(document, known, where) {
  for (const key of Object.keys(document)) {
    check(known.includes(key), `${where}: unknown key "${key}"; known are ${known.join(', ')}`);
  }
}

function checkClient(client, where) {
  checkKeys(client, CLIENT_KEYS, where);
  check(typeof client.client_id === 'string' && client.client_id, `${where}: client_id is missing`);
  check(AUTH_METHODS.includes(client.token_endpoint_auth_method),
    `${where}: token_endpoint_auth_method must be one of ${AUTH_METHODS.join(', ')}`);
  check(['jwt', 'opaque'].includes(client.access_token_format),
    `${where}: access_token_format must be "jwt" or "opaque"`);
  check(Array.isArray(client.redirect_uris) && client.redirect_uris.length > 0,
    `${where}: redirect_uris must be a list with at least one URL`);
  const byKey = client.token_endpoint_auth_method === 'private_key_jwt';
  check(!byKey || Array.isArray(client.jwks?.keys), `${where}: private_key_jwt needs jwks with keys`);
  check(byKey || client.client_secret, `${where}: client_secret is missing`);
  return client;
}

const pickClient = (document) => Object.fromEntries(CLIENT_KEYS.map((key) => [key, document[key]]));

/** The document as an object: from the file named on the command line, else from ISSUER_CONFIG. */
export function readDocument(argv, env) {
  const source = argv[2] ? readFileSync(argv[2], 'utf8') : env.ISSUER_CONFIG || '{}';
  try {
    return JSON.parse(source);
  } catch (error) {
    throw new ConfigError(`the configuration is not JSON: ${error.message}`);
  }
}

/** The complete, checked and frozen configuration. Throws ConfigError with what to change. */
export function buildConfig(document) {
  check(document && typeof document === 'object' && !Array.isArray(document), 'the configuration must be an object');
  checkKeys(document, Object.keys(DEFAULTS), 'configuration');
  const config = { ...DEFAULTS, ...document };
  checkKeys(config.ttl, Object.keys(DEFAULTS.ttl), 'ttl');
  config.ttl = { ...DEFAULTS.ttl, ...config.ttl };
  for (const [kind, seconds] of Object.entries(config.ttl)) {
    check(Number.isInteger(seconds) && seconds > 0, `ttl.${kind} must be a whole number of seconds above 0`);
  }
  check(Number.isInteger(config.port) && config.port >= 0 && config.port < 65536, 'port must be from 0 to 65535');
  check(config.issuer === null || URL.parse(config.issuer)?.pathname === '/', 'issuer must be a URL without a path');
  check(SIGNING_ALGS.includes(config.signing_alg), `signing_alg must be one of ${SIGNING_ALGS.join(', ')}`);
  const clientDefaults = pickClient(DEFAULTS);
  const further = config.clients.map((client, index) => checkClient(
    { ...clientDefaults, client_id: null, ...client },
    `clients[${index}]`,
  ));
  config.clients = [checkClient(pickClient(config), 'client'), ...further];
  return Object.freeze(config);
}

// Starts the issuer: node server.mjs [configuration file]
import { createServer } from 'node:http';

import { buildConfig, ConfigError, readDocument } from './config.mjs';
import { newSigningKey } from './keys.mjs';
import { buildProvider } from './provider.mjs';
import { Store } from './store.mjs';
import { TestHooks } from './testing.mjs';
import { Users } from './users.mjs';

function loadConfig() {
  try {
    return buildConfig(readDocument(process.argv, process.env));
  } catch (error) {
    if (!(error instanceof ConfigError) && error.code !== 'ENOENT') throw error;
    process.stderr.write(`${error.message}\n`);
    return process.exit(2);
  }
}

function listen(server, { host, port }) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server.address().port));
  });
}

function stopOnDemand(config) {
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
  if (!config.exit_with_parent) return;
  process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
}

const config = loadConfig();
stopOnDemand(config);

let handle; // the current provider's request handler
const server = createServer((req, res) => handle(req, res));
server.keepAliveTimeout = 75_000; // longer than a client's pool keeps a connection

const key = await newSigningKey(config.signing_alg);
const port = await listen(server, config).catch((error) => {
  process.stderr.write(`cannot listen on ${config.host}:${config.port}: ${error.message}\n`);
  process.exit(1);
});
const urlHost = config.host.includes(':') ? `[${config.host}]` : config.host;
const issuer = (config.issuer ?? `http://${urlHost}:${port}`).replace(/\/$/, '');
const { host, protocol } = new URL(issuer);

const store = new Store();
const users = new Users(config.users);
const hooks = config.test_hooks ? new TestHooks({ config, store, users }) : undefined;

/** Builds the provider with these keys, the first of which signs, and lets it serve from now on. */
function serveWith(keys) {
  const provider = buildProvider(issuer, { config, store, users, keys }, {
    before: hooks ? [() => hooks.middleware()] : [],
  });
  hooks?.follow(provider, { keys, serveWith });
  const callback = provider.callback();
  handle = (req, res) => {
    // Every URL we hand out names the issuer, whatever Host a request came with.
    req.headers.host = host;
    req.headers['x-forwarded-proto'] = protocol.slice(0, -1);
    delete req.headers['x-forwarded-host'];
    callback(req, res);
  };
}

serveWith([key]);
process.stdout.write(`${JSON.stringify({ issuer, port, pid: process.pid, audience: config.audience })}\n`);

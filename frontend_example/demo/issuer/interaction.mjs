// Signing in: one form, or none when the configuration signs in by login_hint.
import { loginPage, securityHeaders } from './pages.mjs';

const PATH = /^\/interaction\/([\w-]{1,64})$/;
const MAX_FORM_BYTES = 8 * 1024;

async function readForm(req) {
  const chunks = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size > MAX_FORM_BYTES) return undefined;
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

async function renderLogin(ctx, provider, interaction, { config, users, login, error }) {
  const client = await provider.Client.find(interaction.params.client_id);
  ctx.set(securityHeaders(client));
  ctx.status = error ? 400 : 200;
  ctx.type = 'html';
  ctx.body = loginPage({
    uid: interaction.uid,
    clientName: client.clientName ?? client.clientId,
    login,
    error,
    users: config.show_users ? config.users.map(({ sub }) => users.find(sub)) : [],
  });
}

async function finish(ctx, provider, result) {
  ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: true }));
  ctx.status = 303;
}

async function submitLogin(ctx, provider, interaction, { config, users }) {
  const form = await readForm(ctx.req);
  if (form === undefined) {
    ctx.throw(413, 'the form is too large');
  }
  if (form.has('cancel')) {
    await finish(ctx, provider, { error: 'access_denied', error_description: 'the user cancelled' });
    return;
  }
  const login = form.get('login') ?? '';
  const user = users.authenticate(login, form.get('password') ?? '');
  if (user === undefined) {
    const error = 'The user name or the password is wrong. Please try again.';
    await renderLogin(ctx, provider, interaction, { config, users, login, error });
    return;
  }
  await finish(ctx, provider, { login: { accountId: user.sub, amr: ['pwd'] } });
}

async function interact(ctx, provider, interaction, { config, users }) {
  const { prompt, params } = interaction;
  if (prompt.name !== 'login') {
    await finish(ctx, provider, { consent: {} }); // a first-party client: the grant is made without asking
    return;
  }
  const hint = params.login_hint ?? '';
  const known = config.auto_login ? users.ensure(hint) : undefined;
  if (known !== undefined) {
    await finish(ctx, provider, { login: { accountId: known.sub, amr: ['hint'] } });
  } else if (ctx.method === 'POST') {
    await submitLogin(ctx, provider, interaction, { config, users });
  } else {
    await renderLogin(ctx, provider, interaction, { config, users, login: hint });
  }
}

/** Koa middleware in front of the provider for GET and POST /interaction/:uid. */
export const interactionRoute = (provider, parts) => async (ctx, next) => {
  const uid = PATH.exec(ctx.path)?.[1];
  if (uid === undefined || !['GET', 'POST'].includes(ctx.method)) {
    await next();
    return;
  }
  // The interaction comes from its SameSite cookie, which only this browser has.
  const interaction = await provider.interactionDetails(ctx.req, ctx.res);
  if (interaction.uid !== uid) ctx.throw(400, 'another sign-in is under way in this browser');
  await interact(ctx, provider, interaction, parts);
};

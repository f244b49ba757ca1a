// The pages people see. No inline scripts or styles, so that the content security policy can be strict.
import { readFileSync } from 'node:fs';

const asset = (name, type) => [`/assets/${name}`, {
  type, body: readFileSync(new URL(`./assets/${name}`, import.meta.url)),
}];
const ASSETS = new Map([asset('style.css', 'text/css'), asset('sign-out.js', 'text/javascript')]);

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text) => String(text ?? '').replace(/[&<>"']/g, (character) => ESCAPES[character]);

function page(title, body, { script = '' } = {}) {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)} · Demo ID</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/style.css">
${script}</head>
<body>
<main class="card">
<p class="brand"><span class="mark" aria-hidden="true"></span>Demo ID</p>
<h1>${escape(title)}</h1>
${body}
</main>
</body>
</html>
`;
}

/** Chrome holds the redirects after a form to form-action as well, so the client's origins are named. */
export function securityHeaders(client) {
  const urls = [...client?.redirectUris ?? [], ...client?.postLogoutRedirectUris ?? []];
  const origins = new Set(urls.map((url) => new URL(url).origin));
  return {
    'content-security-policy': [
      "default-src 'none'", "style-src 'self'", "script-src 'self'", 'img-src data:', "base-uri 'none'",
      "frame-ancestors 'none'", ["form-action 'self'", ...origins].join(' '),
    ].join('; '),
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  };
}

export function loginPage({ uid, clientName, login, error, users }) {
  const alert = error ? `<p class="alert" role="alert" id="problem">${escape(error)}</p>` : '';
  const invalid = error ? ' aria-invalid="true" aria-describedby="problem"' : '';
  const hints = users.map(({ sub, password, roles }) => `<li><code>${escape(sub)}</code> / `
    + `<code>${escape(password)}</code> <span>${escape(roles.join(', '))}</span></li>`).join('\n');
  return page('Sign in', `<p class="lead">to continue to <strong>${escape(clientName)}</strong></p>
${alert}
<form method="post" action="/interaction/${escape(uid)}">
<label for="login">User name</label>
<input id="login" name="login" autocomplete="username" autocapitalize="none" spellcheck="false" required
 maxlength="64" value="${escape(login)}"${login ? '' : ' autofocus'}${invalid}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
 maxlength="256"${login ? ' autofocus' : ''}${invalid}>
<button type="submit">Sign in</button>
<button type="submit" name="cancel" value="yes" class="quiet" formnovalidate>Cancel</button>
</form>
${hints ? `<section class="hints"><h2>Demo users</h2><ul>${hints}</ul></section>` : ''}`);
}

/** `form` is the provider's own form with its token; our buttons point at it by its id. */
export function logoutPage({ form, clientName, isCertain }) {
  const lead = isCertain ? 'Signing you out…' : `Do you want to sign out of ${escape(clientName ?? 'Demo ID')}?`;
  const stay = isCertain ? '' : '<button type="submit" form="op.logoutForm" class="quiet">Stay signed in here</button>';
  const script = isCertain ? '<script src="/assets/sign-out.js" defer></script>\n' : '';
  return page('Sign out', `<p class="lead">${lead}</p>
${form}
<button type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button>
${stay}`, { script });
}

export function signedOutPage() {
  return page('Signed out', '<p class="lead">You are signed out. You can close this page.</p>');
}

export function errorPage({ error, error_description: description }) {
  return page('That did not work', `<p class="alert" role="alert">${escape(description ?? error)}</p>
<p class="lead">Go back to the application and start again. <code>${escape(error)}</code></p>`);
}

/** Answers a request for one of our files; says whether it was one. */
export function serveAsset(ctx) {
  const found = ctx.method === 'GET' ? ASSETS.get(ctx.path) : undefined;
  if (found === undefined) return false;
  ctx.set({ 'cache-control': 'max-age=3600', 'x-content-type-options': 'nosniff' });
  ctx.type = found.type;
  ctx.body = found.body;
  return true;
}

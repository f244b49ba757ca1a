"""The few pages that people see from us: small, calm, without script, and with a way on."""

import base64
import hashlib
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #f6f7f9; --card: #ffffff;
  --line: #d8dee4; --accent: #2457d6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa4b2; --paper: #11151b; --card: #1a2029;
  --line: #2e3743; --accent: #7aa2ff; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
main { max-width: 30rem; padding: 2rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 14px; }
h1 { margin: 0 0 .5rem; font-size: 1.35rem; line-height: 1.25; }
p { margin: 0 0 1rem; }
nav { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.5rem 0; }
a { padding: .6rem 1.1rem; border: 1px solid var(--accent); border-radius: 9px; color: var(--accent);
  text-decoration: none; }
a.first { background: var(--accent); color: var(--card); }
a:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
small { color: var(--soft); }
code { overflow-wrap: anywhere; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
).encode("ascii")

# What to tell people about the reasons that they can do something about.
_ADVICE = {
    "no_attempt": "This sign-in was started in another browser, or too long ago. Start again from here.",
    "expired": "This sign-in took too long. Start again from here.",
    "already_used": "This sign-in link has been used already. Start again from here.",
    "provider_access_denied": "The identity provider did not let you in, or you chose not to go on.",
    "logged_out_meanwhile": "You were signed out at the identity provider while you were signing in here.",
}


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What an error page says. Every text is escaped when the page is built."""

    title: str
    detail: str
    code: str
    reason: str | None
    request_id: str
    login_path: str
    return_to: str = "/"


def build_error_page(page: ErrorPage) -> bytes:
    """Return the page as UTF-8 HTML."""
    detail = _ADVICE.get(page.reason or "", page.detail)
    again = f"{page.login_path}?return_to={quote(page.return_to, safe='/')}"
    reason = f" · <code>{escape(page.reason)}</code>" if page.reason else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{escape(page.title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(page.title)}</h1>
<p>{escape(detail)}</p>
<nav><a class="first" href="{escape(again)}">Try again</a><a href="/">Go to the start page</a></nav>
<small><code>{escape(page.code)}</code>{reason}<br>request <code>{escape(page.request_id)}</code></small>
</main>
</body>
</html>
""".encode()


def build_notice_page(title: str, detail: str) -> bytes:
    """Return a page that only says something, as UTF-8 HTML."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
<p>{escape(detail)}</p>
</main>
</body>
</html>
""".encode()

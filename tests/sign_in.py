"""A person at the OpenID provider's pages, played over plain HTTP."""

import html
import re
from urllib.parse import urlsplit

import httpx

_MAX_STEPS = 10
_FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
_ACTION = re.compile(r'<form [^>]*action="([^"]+)"')


class SignInRefused(AssertionError):
    """The provider showed a page where it should have sent the browser on."""


def _origin(url: str | httpx.URL) -> tuple[str, str]:
    parts = urlsplit(str(url))
    return parts.scheme, parts.netloc


async def _leave(client: httpx.AsyncClient, answer: httpx.Response) -> str | httpx.Response:
    """Follows redirects within the origin; the URL that leads away from it, or the page that it stops at."""
    for _ in range(_MAX_STEPS):
        if not answer.has_redirect_location:
            return answer
        target = answer.url.join(answer.headers["location"])
        if _origin(target) != _origin(answer.url):
            return str(target)
        answer = await client.get(target, follow_redirects=False)
    raise SignInRefused(f"more than {_MAX_STEPS} redirects at {answer.url}")


async def sign_in(
    client: httpx.AsyncClient, authorization_url: str, login: str = "alice", password: str | None = None
) -> str:
    """Opens the authorization URL, fills in the form if one is shown, and returns the callback URL.

    Args:
        client: plays the browser; its cookie jar keeps the session at the provider.
        authorization_url: where the relying party sent the browser.
        login: the user name.
        password: the user name again, if not given.

    Raises:
        SignInRefused: the provider answers with a page instead: a wrong password, a refused request.
    """
    outcome = await _leave(client, await client.get(authorization_url, follow_redirects=False))
    if isinstance(outcome, str):
        return outcome
    if outcome.status_code != 200 or 'name="password"' not in outcome.text:
        raise SignInRefused(f"{outcome.status_code} at {outcome.url}: {outcome.text}")
    form = {"login": login, "password": login if password is None else password}
    outcome = await _leave(client, await client.post(outcome.url, data=form, follow_redirects=False))
    if isinstance(outcome, httpx.Response):
        raise SignInRefused(f"{outcome.status_code} at {outcome.url}: {outcome.text}")
    return outcome


async def sign_out(client: httpx.AsyncClient, end_session_url: str) -> str:
    """Opens the end-session URL, presses "Sign out", and returns where the provider sends the browser then.

    Raises:
        SignInRefused: there is nothing to press, or it leads nowhere.
    """
    page = await client.get(end_session_url, follow_redirects=False)
    action = _ACTION.search(page.text)
    if page.status_code != 200 or action is None:
        raise SignInRefused(f"{page.status_code} at {page.url}: {page.text}")
    fields = {name: html.unescape(value) for name, value in _FIELD.findall(page.text)}
    target = page.url.join(html.unescape(action[1]))
    outcome = await _leave(
        client, await client.post(target, data={**fields, "logout": "yes"}, follow_redirects=False)
    )
    if isinstance(outcome, httpx.Response):
        raise SignInRefused(f"{outcome.status_code} at {outcome.url}: {outcome.text}")
    return outcome

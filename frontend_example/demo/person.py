"""A person with a browser, over plain HTTP: follows redirects, fills in forms, and keeps an eye out for tokens."""

import re
from html.parser import HTMLParser
from json import loads
from threading import Event
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

_MAX_STEPS = 12
_GIST = 240  # characters
# What the demo's provider signs is a JWT. Its refresh tokens are not, but would come under their name.
_TOKEN = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}|\b(?:access|refresh|id)_token[\"']?\s*[:=]\s*[\"']?[\w.~+/-]{16,}"
)


class Surprise(Exception):
    """Something else happened than what should have."""


def expect(holds: bool, otherwise: str) -> None:
    """Raises `Surprise` with this text unless it holds."""
    if not holds:
        raise Surprise(otherwise)


class Form(HTMLParser):
    """The first form of a page.

    Attributes:
        action: where it goes; None when there is no form.
        fields: what it sends without a person's doing.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        values = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = values.get("action")
        elif tag == "input" and values.get("type") == "hidden" and (name := values.get("name")):
            self.fields[name] = values.get("value") or ""


def holds_token(answer: httpx.Response, issuer: str) -> bool:
    """Whether a token is in this response, where a browser, and with it any script or extension, could find it."""
    return any(map(_TOKEN.search, (_without_logout_hint(answer.headers, issuer), answer.text)))


def _without_logout_hint(headers: httpx.Headers, issuer: str) -> str:
    """The headers as text, but for `id_token_hint` in a redirect to the issuer's own end-session endpoint.

    OIDC RP-Initiated Logout §2 has it there: the provider that made the token is the only one that gets it.
    """
    lines = []
    for name, value in headers.multi_items():
        shown = value
        if name == "location" and value.startswith(f"{issuer}/"):
            parts = urlsplit(value)
            kept = [(key, text) for key, text in parse_qsl(parts.query) if key != "id_token_hint"]
            shown = parts._replace(query=urlencode(kept)).geturl()
        lines.append(f"{name}: {shown}")
    return "\n".join(lines)


def gist(answer: httpx.Response) -> str:
    """What the response says, short enough for a line on the terminal: a page without its markup and styles."""
    text = re.sub(r"(?s)<(style|title)\b.*?</\1>|<[^>]*>", " ", answer.text)
    words = " ".join(text.split())
    return words if len(words) <= _GIST else f"{words[:_GIST]}…"


class Person:
    """Somebody at a browser that keeps the cookies of the app and of the issuer apart.

    Attributes:
        responses: how many responses have reached the browser.
        tokens: where tokens were seen, which must be nowhere.
    """

    def __init__(self, app: str, issuer: str) -> None:
        self.responses = 0
        self.tokens: list[str] = []
        self._app = app
        self._issuer = issuer
        self._to_app = httpx.Client(base_url=app, trust_env=False, timeout=20)
        self._to_issuer = httpx.Client(trust_env=False, timeout=20)
        # A Secure cookie on http://localhost: browsers keep it, Python's cookie jar would not send it.
        self.cookies: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._to_app.close()
        self._to_issuer.close()

    def call(self, method: str, path: str, expected: int, json: Any = None) -> Any:
        """Does what the page's script would: a same-origin call; the decoded answer.

        Raises:
            Surprise: another status came than was expected.
        """
        headers = {"X-CSRF": "1", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
        answer = self._send(method, f"{self._app}{path}", headers, json=json)
        if answer.status_code != expected:
            raise Surprise(
                f"{method} {path} was answered with {answer.status_code}, not {expected}: {gist(answer)}"
            )
        return answer.json() if answer.content else None

    def wait_for_the_end(self, listening: Event) -> str:
        """Listens, as the page does, until the server tells that the session has ended; the reason.

        Args:
            listening: set as soon as nothing will be missed any more.

        Raises:
            Surprise: the stream ended without saying so.
        """
        headers = {"Accept": "text/event-stream", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        with self._to_app.stream("GET", "/bff/events", headers=headers) as answer:
            name = ""
            for line in answer.iter_lines():
                listening.set()
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data" and name == "session-ended":
                    return str(loads(value)["reason"])
        raise Surprise(f"the stream of events was answered with {answer.status_code} and ended without a reason")

    def open(self, url: str, form: dict[str, str] | None = None) -> httpx.Response:
        """Opens an address, or sends a form, and follows where that leads; the page it ends at.

        Raises:
            Surprise: it never ends, leads elsewhere, or ends at an error.
        """
        for _ in range(_MAX_STEPS):
            headers = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
            answer = self._send("GET" if form is None else "POST", url, headers, data=form)
            if not answer.has_redirect_location:
                if answer.is_error:
                    raise Surprise(
                        f"{url.partition('?')[0]} was answered with {answer.status_code}: {gist(answer)}"
                    )
                return answer
            url, form = str(answer.url.join(answer.headers["location"])), None
        raise Surprise(f"more than {_MAX_STEPS} redirects, the last to {url.partition('?')[0]}")

    def submit(self, page: httpx.Response, **filled_in: str) -> httpx.Response:
        """Fills in the page's form and sends it; the page that follows.

        Raises:
            Surprise: there is no form, or as `open`.
        """
        form = Form(page.text)
        if form.action is None:
            raise Surprise(f"there is no form at {page.url}")
        return self.open(str(page.url.join(form.action)), {**form.fields, **filled_in})

    def _send(self, method: str, url: str, headers: dict[str, str], **content: Any) -> httpx.Response:
        if url.startswith(f"{self._app}/"):
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            answer = self._to_app.request(method, url, headers={**headers, "Cookie": cookies}, **content)
            self._to_app.cookies.clear()
            self._keep_cookies(answer)
        elif url.startswith(f"{self._issuer}/"):
            answer = self._to_issuer.request(method, url, headers=headers, **content)
        else:
            raise Surprise(f"the browser was sent to {url.partition('?')[0]}")
        self.responses += 1
        if holds_token(answer, self._issuer):
            self.tokens.append(f"{method} {url.partition('?')[0]}")
        return answer

    def _keep_cookies(self, answer: httpx.Response) -> None:
        for line in answer.headers.get_list("set-cookie"):
            pair, _, attributes = line.partition(";")
            name, _, value = pair.partition("=")
            if re.search(r"max-age=0\b", attributes, re.IGNORECASE):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

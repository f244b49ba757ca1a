"""What tests/neg_op.py receives and sends, as values."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Reply:
    """One answer. A body of several pieces comes in that order, each after its pause in seconds."""

    status: int = 200
    body: bytes | Sequence[tuple[float, bytes]] = b""
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"

    def all_headers(self) -> list[tuple[str, str]]:
        """Return the headers with the media type."""
        given = [(name.lower(), value) for name, value in self.headers.items()]
        return (
            given
            if any(name == "content-type" for name, _ in given)
            else [("content-type", self.media_type), *given]
        )


def json_reply(document: Any, status: int = 200, **headers: str) -> Reply:
    """Return a JSON answer; underscores in header names stand for hyphens."""
    return Reply(status, json.dumps(document).encode(), {name.replace("_", "-"): v for name, v in headers.items()})


@dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    method: str
    url: str
    endpoint: str  # "discovery", "jwks", "authorize", "token", "userinfo", "revoke", "logout", or the path
    headers: dict[str, str]  # lower case names
    query: dict[str, str]
    form: dict[str, str]
    form_pairs: tuple[tuple[str, str], ...]  # with repetitions

    @classmethod
    def of(cls, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes, prefix: str = "") -> "Seen":
        """Take a request apart; `prefix` is the path of the issuer."""
        parts = urlsplit(url)
        fields = {name.lower(): value for name, value in headers}
        is_form = fields.get("content-type", "").startswith("application/x-www-form-urlencoded")
        pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True) if is_form else []
        path = parts.path.removeprefix(prefix)
        return cls(
            method,
            url,
            ENDPOINTS.get(path, path),
            fields,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            dict(pairs),
            tuple(pairs),
        )


ENDPOINTS = {
    "/.well-known/openid-configuration": "discovery",
    "/jwks": "jwks",
    "/authorize": "authorize",
    "/token": "token",
    "/userinfo": "userinfo",
    "/revoke": "revoke",
    "/logout": "logout",
}

"""`return_to`: a path on our own origin, and nothing that a browser could read as anything else."""

import re
from urllib.parse import unquote

from bff.errors import ReturnToRefused

MAX_RETURN_TO = 1024
_CONSOLE = "/console"
# What may stand in a path, query or fragment of RFC 3986. Backslashes, spaces, controls, quotes and every byte
# outside ASCII are absent on purpose: browsers repair them in ways that have opened redirectors before.
_ALLOWED = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/?#%\[\]]+\Z")


def parse_return_to(value: str | None, *, forbidden_prefix: str, default: str = "/") -> str:
    """Return a safe same-origin path with its query and fragment, or raise `ReturnToRefused`.

    `forbidden_prefix` (our own endpoints) is refused as a destination: landing on the login or logout endpoint
    would make a loop. The console below it is a page like any other. RFC 9700 §2.1 and §4.11.1, OWASP ASVS 3.7.2.
    """
    if value is None or value == "":
        return default
    if len(value) > MAX_RETURN_TO or not _ALLOWED.match(value):
        raise ReturnToRefused
    path = value.partition("#")[0].partition("?")[0]
    for form in _decoded_forms(path):
        if not form.startswith("/") or form.startswith("//") or _has_dot_segment(form) or _has_forbidden(form):
            raise ReturnToRefused
        if _is_within(form, forbidden_prefix) and not _is_within(form, forbidden_prefix + _CONSOLE):
            raise ReturnToRefused
    return value


def _is_within(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


def _decoded_forms(path: str) -> list[str]:
    forms = [path]
    while len(forms) < 4 and "%" in forms[-1]:
        decoded = unquote(forms[-1], errors="replace")
        if decoded == forms[-1]:
            break
        forms.append(decoded)
    return forms


def _has_forbidden(form: str) -> bool:
    return any(character == "\\" or ord(character) < 0x20 or ord(character) == 0x7F for character in form)


def _has_dot_segment(form: str) -> bool:
    return any(segment.split(";", 1)[0] in {".", ".."} for segment in form.split("/"))

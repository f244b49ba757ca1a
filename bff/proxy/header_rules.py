"""Headers that a route adds to or takes from what passes: fixed texts, and claims of the user.

What a claim holds comes from somebody else, perhaps from the user. It is percent-encoded wherever it could end
a header, a list's entry, a parameter or a quoted string, so that it cannot forge any (RFC 9110 §5.5 and §5.6).
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from bff.access.claim_paths import claim_value
from bff.session.principal import Principal

MAX_VALUE = 4096  # bytes of one header made of claims; a larger one is left out, for a part of it would be a lie

# What stays as it is beside letters, digits and "-._~". Not among them: the percent sign itself, comma, semicolon,
# quotes, backslash, controls, and everything outside ASCII.
_SAFE = "!#$&'()*+/:=?@[]^`{|} "

Template = Sequence[tuple[str, bool]]  # texts, and paths of claims where the second half is true


class RequestHeaderRules:
    """What one route does to the headers on their way up."""

    def __init__(self, templates: Mapping[str, Template], remove: Sequence[str]) -> None:
        self._gone = frozenset(name.lower() for name in (*templates, *remove))
        self._fixed: list[tuple[str, str]] = []
        self._told: list[tuple[str, Template, str]] = []
        for name, template in templates.items():
            if any(is_claim for _, is_claim in template):
                self._told.append((name.lower(), template, _safe_between(template)))
            else:
                self._fixed.append((name.lower(), "".join(text for text, _ in template)))

    @property
    def names(self) -> frozenset[str]:
        """The headers that are set or removed, in small letters."""
        return self._gone

    def apply(self, headers: Sequence[tuple[str, str]], principal: Principal | None) -> list[tuple[str, str]]:
        """Return the headers that go up.

        What the browser sent under a name of ours is gone, whether or not the user has the claims that it is made
        of; twins with underscores never come this far.
        """
        gone = self._gone
        kept = [pair for pair in headers if pair[0] not in gone and pair[0].lower() not in gone]
        kept += self._fixed
        if principal is not None:
            for name, template, safe in self._told:
                value = _fill(template, principal, safe)
                if value is not None:
                    kept.append((name, value))
        return kept


class ResponseHeaderRules:
    """What one route does to the headers of its upstream's answers."""

    def __init__(self, fixed: Mapping[str, str], remove: Sequence[str]) -> None:
        self._gone = frozenset(name.lower().encode("ascii") for name in remove)
        self._set = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in fixed.items()]
        self._replaced = frozenset(name for name, _ in self._set)

    def without_removed(self, headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return the upstream's headers without those that shall not pass."""
        return [pair for pair in headers if pair[0] not in self._gone]

    def with_set(self, headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return the answer's headers with ours in the place of others of their names."""
        return [*(pair for pair in headers if pair[0] not in self._replaced), *self._set]


def encode_claim(value: object, safe: str = _SAFE) -> str | None:
    """Return a claim as a header's value; entries of an array are joined by commas.

    `safe` are the characters that stay as they are, beside letters, digits and `-._~`. None for what has no such
    value: an object, an array with one in it, null, and text that is no Unicode.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return _encode_text(value, safe)
        case list() | tuple():
            encoded = [encode_claim(item, safe) for item in value if not isinstance(item, list | tuple)]
            known = [item for item in encoded if item is not None]
            return ",".join(known) if len(known) == len(value) else None
        case _:
            return None


def _safe_between(template: Template) -> str:
    """Return what stays as it is in this template: what separates its claims cannot come out of one of them."""
    literals = "".join(text for text, is_claim in template if not is_claim)
    return "".join(char for char in _SAFE if char not in literals)


def _encode_text(text: str, safe: str) -> str | None:
    try:
        encoded = quote(text, safe=safe)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell
        return None
    if " " not in encoded:
        return encoded
    # Readers trim spaces at the ends, and some fold several into one: "admin " is not "admin".
    inner = encoded.strip(" ")
    lead = len(encoded) - len(encoded.lstrip(" "))
    trail = len(encoded) - len(inner) - lead
    return "%20" * lead + inner.replace("  ", " %20") + "%20" * trail


def _fill(template: Template, principal: Principal, safe: str) -> str | None:
    """Return the value; None where a claim is missing or the whole is too long."""
    parts: list[str] = []
    for text, is_claim in template:
        part = encode_claim(_claim(principal, text), safe) if is_claim else text
        if part is None:
            return None
        parts.append(part)
    value = "".join(parts)
    return value if len(value) <= MAX_VALUE else None


def _claim(principal: Principal, path: str) -> object:
    match path:
        case "sub":
            return principal.subject
        case "iss":
            return principal.issuer
        case "roles":
            return sorted(principal.roles)
        case _:
            return claim_value(principal.claims, path)

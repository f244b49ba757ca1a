"""Cookies: reading one name exactly, writing attributes once."""

from collections.abc import Iterable

from bff.http.octets import build_identity_table

_OCTETS = build_identity_table(frozenset(range(0x21, 0x7F)) - frozenset(b'",;\\'))  # RFC 6265 §4.1.1 cookie-octet
_SEMICOLON = ord(";")


def read_cookie(cookie_headers: Iterable[bytes], name: bytes) -> bytes | None:
    """Return the value of the one cookie with exactly this name, or None.

    Two cookies of that name are as good as none: one of them is not ours, and the order proves nothing
    (RFC 6265bis §4.2.2). Names compare by bytes, so look-alikes and nameless cookies never match (§5.4).
    """
    found: bytes | None = None
    for header in cookie_headers:
        for pair in header.split(b";") if _SEMICOLON in header else (header,):
            key, separator, value = pair.partition(b"=")
            if not separator or key.strip(b" \t") != name:
                continue
            if found is not None:
                return None
            found = value.strip(b" \t")
    return found if found is not None and found.translate(_OCTETS) == found else None


def has_cookie(cookie_headers: Iterable[bytes], name: bytes) -> bool:
    """Tell whether any cookie of exactly this name came, readable or not."""
    return any(
        pair.partition(b"=")[0].strip(b" \t") == name for header in cookie_headers for pair in header.split(b";")
    )


def read_prefixed(cookie_headers: Iterable[bytes], prefix: bytes, limit: int) -> list[tuple[bytes, bytes]]:
    """Return at most `limit` (name, value) pairs whose name starts with the prefix, in order of appearance."""
    pairs: list[tuple[bytes, bytes]] = []
    for header in cookie_headers:
        for pair in header.split(b";"):
            key, separator, value = pair.partition(b"=")
            name = key.strip(b" \t")
            if separator and name.startswith(prefix):
                pairs.append((name, value.strip(b" \t")))
                if len(pairs) >= limit:
                    return pairs
    return pairs


def keep_cookies(cookie_headers: Iterable[bytes], names: frozenset[bytes]) -> bytes:
    """Return a Cookie header with only these names, for a route that forwards some."""
    kept = [
        pair.strip(b" \t")
        for header in cookie_headers
        for pair in header.split(b";")
        if pair.partition(b"=")[0].strip(b" \t") in names
    ]
    return b"; ".join(kept)


class CookieWriter:
    """Builds Set-Cookie values for one cookie; every attribute is joined once.

    Secure, HttpOnly, Path=/ and no Domain are what the `__Host-` prefix demands (RFC 6265bis §4.1.3.2).
    """

    def __init__(self, name: str, *, same_site: str) -> None:
        self.name = name.encode("ascii")
        self._suffix = f"; Path=/; Secure; HttpOnly; SameSite={same_site.capitalize()}".encode("ascii")
        self.deletion = self.name + b"=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT" + self._suffix

    def set(self, value: bytes, *, max_age: int | None = None) -> bytes:
        """Return the Set-Cookie value; `max_age` in seconds, None for a cookie that ends with the browser."""
        if max_age is None:
            return self.name + b"=" + value + self._suffix
        return self.name + b"=" + value + b"; Max-Age=%d" % max_age + self._suffix

"""Is this request from our own pages? Origin, Fetch Metadata and a header that only same-origin script can send."""

from bff.errors import CrossSiteRequest, CsrfHeaderRequired


def check_same_origin(
    *,
    mode: str,
    method: str,
    own_origin: bytes,
    origin: bytes | None,
    sec_fetch_site: bytes | None,
    has_header: bool,
) -> None:
    """Refuse what another site sent.

    `mode` is "header" (the static header is demanded of every method), "origin" (a same-origin `Sec-Fetch-Site` or
    the exact `Origin` instead, for what cannot send the header) or "off" (nothing is checked).
    Sources: draft-ietf-oauth-browser-based-apps §6.1.3.3, OWASP ASVS 3.5.1 and 3.5.3.

    Raises:
        CrossSiteRequest: Origin or Fetch Metadata name another site, or (mode "origin") neither vouches for ours.
        CsrfHeaderRequired: the header is missing.
    """
    if mode == "off":
        return
    if origin is not None and origin != own_origin:
        raise CrossSiteRequest
    # "same-site" is a sibling subdomain, perhaps one that an attacker got; "none" is a typed address, which calls
    # no API, but may open a download in mode "origin".
    typed = mode == "origin" and sec_fetch_site == b"none" and method in {"GET", "HEAD"}
    if sec_fetch_site not in {None, b"same-origin"} and not typed:
        raise CrossSiteRequest
    if mode == "header":
        if not has_header:
            raise CsrfHeaderRequired
    elif sec_fetch_site is None and origin is None:
        raise CrossSiteRequest("This route needs Sec-Fetch-Site or Origin to see that the call is our own page's.")


def check_socket_origin(
    *, own_origin: bytes, origin: bytes | None, sec_fetch_site: bytes | None, **_: object
) -> None:
    """Refuse the opening of a WebSocket by another site's page.

    Browsers hold WebSockets to no same-origin policy and ask no leave before they send the cookie along, but they
    do tell the Origin (RFC 6455 §10.2, OWASP ASVS 4.4.2). So it must be ours to the letter, whatever guards the
    route's requests. Takes what `check_same_origin` takes.

    Raises:
        CrossSiteRequest: the Origin is another one or missing, or Fetch Metadata name another site.
    """
    if origin != own_origin or sec_fetch_site not in {None, b"same-origin"}:
        raise CrossSiteRequest("A WebSocket may only be opened by the application's own pages.")

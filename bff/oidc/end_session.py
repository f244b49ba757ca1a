"""Where the browser goes to end its session at the issuer (OIDC RP-Initiated Logout §2). Pure."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from bff.oidc.client import Client

MAX_HINT = 4096  # characters: beyond it, a URL would not survive the servers on its way


def build_end_session_url(
    endpoint: str, client: Client, id_token: str | None, *, sub_hint: str | None = None
) -> str:
    """Return the logout URL.

    The ID token goes along as a hint where the client says so and it is short enough; without it the issuer is told
    by `logout_hint` whom this is about. Nothing is put into `state`: there is one place to come back to.
    """
    scheme, netloc, path, query, _ = urlsplit(endpoint)
    parameters = {
        **dict(parse_qsl(query, keep_blank_values=True)),
        **client.end_session_parameters,
        "client_id": client.client_id,
        "post_logout_redirect_uri": client.post_logout_redirect_uri,
    }
    if id_token is not None and client.id_token_hint and len(id_token) <= MAX_HINT:
        parameters["id_token_hint"] = id_token
    elif sub_hint is not None:
        parameters["logout_hint"] = sub_hint
    return urlunsplit((scheme, netloc, path, urlencode(parameters), ""))

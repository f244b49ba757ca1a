"""What `[admin]` must be, alone and beside the listeners. Pure, as `bff.config.rules` is."""

import re
from collections.abc import Iterator

from bff.config.findings import Severity
from bff.config.rules import Problem
from bff.config.settings import Settings
from bff.config.values import BadValue, did_you_mean

MIN_TOKEN = 32  # characters: at least 128 bits, however it was made
_MIN_DIFFERENT = 10  # characters: no random text of that length has fewer
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)  # RFC 6750 §2.1 b64token


def check_operator_token(text: str) -> None:
    """Check the token that opens the admin API; it is never quoted."""
    hint = "`bff keys new` prints one that fits"
    expected = f"at least {MIN_TOKEN} random characters"
    if not _TOKEN.fullmatch(text):
        raise BadValue(
            "holds characters that no bearer token can hold", "letters, digits and -._~+/ (RFC 6750 §2.1)", hint
        )
    if len(text) < MIN_TOKEN:
        raise BadValue(f"has {len(text)} characters", expected, hint)
    if len(set(text)) < _MIN_DIFFERENT:
        raise BadValue("repeats a few characters, and can be guessed", expected, hint)


def broken_admin_rules(settings: Settings) -> Iterator[Problem]:
    """Every rule about the admin API that these settings break."""
    admin = settings.admin
    if admin is None:
        return
    at = ("admin", "token")
    is_shared = settings.server.management_listen == "same"
    if admin.token is None and not admin.roles:
        yield Problem(
            (("admin",), at, ("admin", "roles")),
            BadValue(
                "lets nobody in",
                "a token for the management listener, or roles for the public one, or both",
                'token = { file = "admin.token" }, roles = ["admin"]',
            ),
        )
    if admin.token is not None and is_shared and not admin.token_on_public:
        yield Problem(
            (at, ("server", "management_listen"), ("admin", "token_on_public")),
            BadValue(
                'would be taken from anybody, for server.management_listen is "same"',
                "a management listener of its own",
                "set admin.token_on_public = true if that is meant, or leave the token out and use admin.roles",
            ),
        )
    if admin.token_on_public and (admin.token is None or not is_shared):
        yield Problem(
            (("admin", "token_on_public"), at, ("server", "management_listen")),
            BadValue(
                "has no effect",
                'it only with a token and server.management_listen = "same"',
                "remove it",
            ),
            Severity.WARNING,
        )
    known = settings.roles.known
    for index, role in enumerate(admin.roles):
        if known and role not in known:
            yield Problem(
                (("admin", "roles", index), ("roles", "known")),
                BadValue(f'"{role}" is not in roles.known', "a known role", did_you_mean(role, known)),
            )
    for index, network in enumerate(admin.networks):
        if network.prefixlen == 0:
            yield Problem(
                (("admin", "networks", index),),
                BadValue("holds every address", "the operators' own networks", "leave it out to let any in"),
                Severity.WARNING,
            )

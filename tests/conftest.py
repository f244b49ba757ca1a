"""What holds for every test: those that need no network get none."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine, which others share, and nothing about the code.
settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-machine")

ROOT = Path(__file__).parent
OFFLINE = [ROOT / "unit", ROOT / "property", ROOT / "flow"]
HAS_LOOPBACK = [ROOT / "unit" / "cli", ROOT / "unit" / "oidc"]  # start servers of their own, and ask nobody else
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class NetworkUsed(AssertionError):
    """A test that should need no network reached for it."""


def is_offline(path: Path) -> bool:
    """Whether the test at this path must not use the network."""
    return any(path.is_relative_to(folder) for folder in OFFLINE)


def allowed_hosts(path: Path) -> set[str]:
    """Whom an offline test may reach all the same."""
    return LOOPBACK if any(path.is_relative_to(folder) for folder in HAS_LOOPBACK) else set()


def _guarded(original: Callable[..., Any], allowed: set[str], *, is_method: bool) -> Callable[..., Any]:
    def guarded(*args: Any, **options: Any) -> Any:
        where = args[-1] if is_method else args[0]
        host = where[0] if isinstance(where, tuple) else where
        is_unix = bool(allowed) and isinstance(host, str) and host.startswith("/")  # stays on this machine
        if host not in allowed and not is_unix:
            if allowed:  # as on a machine that is cut off: what they test copes with that
                raise socket.gaierror(socket.EAI_AGAIN, "there is no network")
            raise NetworkUsed(f"this test must not use the network, and reached for {host}")
        return original(*args, **options)

    return guarded


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections and name look-ups; pairs of connected sockets, which event loops need, still work."""
    if not is_offline(request.path):
        return
    allowed = allowed_hosts(request.path)
    for name in ("connect", "connect_ex", "sendto"):
        guarded = _guarded(getattr(socket.socket, name), allowed, is_method=True)
        monkeypatch.setattr(socket.socket, name, guarded)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, _guarded(getattr(socket, name), allowed, is_method=False))

"""How sockets close: our own codes, and which of one side's may be said to the other. Pure."""

import enum
from dataclasses import dataclass

NO_STATUS = 1005  # the frame held none (RFC 6455 §7.4.1); never sent
_LONGEST_REASON = 123  # bytes (RFC 6455 §5.5)


class Ending(enum.Enum):
    """Why a call that stays open may not go on."""

    SESSION_ENDED = "session_expired"
    ACCESS_DENIED = "access_denied"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Close:
    """A close frame; `code` None is one without a status."""

    code: int | None
    reason: str = ""


GOING_AWAY = Close(1001, "going away")
IDLE = Close(1001, "idle")
MALFORMED = Close(1002, "malformed or too large")
TOO_BIG = Close(1009, "message_too_big")
UPSTREAM_BROKE = Close(1011, "upstream_unreachable")
CRASHED = Close(1011, "internal_error")
RESTARTING = Close(1012, "restarting")

_OURS = {
    Ending.SESSION_ENDED: Close(4401, "session_expired"),
    Ending.ACCESS_DENIED: Close(4403, "access_denied"),
    Ending.DRAINING: RESTARTING,
}


def close_for(why: Ending) -> Close:
    """Return what the browser is told of an end that is ours."""
    return _OURS[why]


def close_from_upstream(code: int | None, reason: str) -> Close:
    """Return what the browser is told when the upstream has closed, or (None) broke.

    Codes that no endpoint may send, and those that browsers take for a broken frame (1014), are not passed on.
    """
    if code == NO_STATUS:
        return Close(None)
    return Close(code, _fitting(reason)) if code is not None and _is_sayable(code) else UPSTREAM_BROKE


def close_from_browser(code: int | None, reason: str) -> Close:
    """Return what the upstream is told when the browser has closed.

    The server tells of a browser that vanished as of one that closed without a status, so both are one here.
    """
    return Close(code, _fitting(reason)) if code is not None and _is_sayable(code) else Close(None)


def _is_sayable(code: int) -> bool:
    return 1000 <= code <= 1003 or 1007 <= code <= 1013 or 3000 <= code <= 4999


def _fitting(reason: str) -> str:
    return reason.encode()[:_LONGEST_REASON].decode(errors="ignore")

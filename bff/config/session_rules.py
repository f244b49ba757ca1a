"""Readers and rules of `[session]`: how long, how many, and bound to what. Pure."""

from collections.abc import Iterator

from bff.config.findings import Severity
from bff.config.rules import Problem
from bff.config.session_settings import BindingMode, OnTooMany
from bff.config.settings import Settings
from bff.config.values import BadValue, duration_text, wrong_type

_IDLE, _ABSOLUTE = ("session", "remember_idle_timeout"), ("session", "remember_absolute_timeout")


def read_ipv4_prefix(value: object) -> int:
    """How many bits of an IPv4 address are its network."""
    return _read_prefix(value, 8, 32)


def read_ipv6_prefix(value: object) -> int:
    """How many bits of an IPv6 address are its network."""
    return _read_prefix(value, 16, 128)


def _read_prefix(value: object, least: int, most: int) -> int:
    expected = f"a number of bits from {least} to {most}"
    if isinstance(value, bool) or not isinstance(value, int):
        wrong_type(value, expected)
    if not least <= value <= most:
        raise BadValue("is out of range", expected)
    return value


def broken_session_rules(settings: Settings) -> Iterator[Problem]:
    """Every rule of these that the settings break."""
    yield from _remembered(settings)
    yield from _most(settings)
    yield from _binding(settings)
    yield from _grace(settings)


def _remembered(settings: Settings) -> Iterator[Problem]:
    session, longest = settings.session, settings.tokens.max_session_lifetime
    idle, absolute = session.remember_idle_timeout, session.remember_absolute_timeout
    if idle is None:
        if absolute is not None:
            yield Problem(
                (_ABSOLUTE, _IDLE),
                BadValue("remembers nobody", "session.remember_idle_timeout beside it", "write both, or neither"),
            )
        return
    end = absolute if absolute is not None else session.absolute_timeout
    if idle < session.idle_timeout or end < session.absolute_timeout:
        short = _IDLE if idle < session.idle_timeout else _ABSOLUTE
        usual = short[1].removeprefix("remember_")
        yield Problem(
            (short, ("session", usual)),
            BadValue(f"is shorter than session.{usual}", "a longer time: who is remembered stays longer"),
        )
    if idle > end:
        yield Problem(
            (_IDLE, _ABSOLUTE, ("session", "absolute_timeout")),
            BadValue(
                "is longer than such a session lives",
                f"at most {duration_text(end)}",
                "remember_absolute_timeout is how long it lives; without it, absolute_timeout",
            ),
        )
    if absolute is not None and end > longest:
        yield Problem(
            (_ABSOLUTE, ("tokens", "max_session_lifetime")),
            BadValue("is longer than tokens.max_session_lifetime", f"at most {duration_text(longest)}"),
        )


def _most(settings: Settings) -> Iterator[Problem]:
    session = settings.session
    if session.max_per_user is None and session.on_too_many is not OnTooMany.END_OLDEST:
        yield Problem(
            (("session", "on_too_many"), ("session", "max_per_user")),
            BadValue("refuses nobody", "session.max_per_user beside it"),
            Severity.WARNING,
        )


def _binding(settings: Settings) -> Iterator[Problem]:
    session = settings.session
    if session.binding is not BindingMode.OFF and not session.binding_traits:
        yield Problem(
            (("session", "binding_traits"), ("session", "binding")),
            BadValue("names nothing to compare", '"user_agent", "network" or both'),
        )


def _grace(settings: Settings) -> Iterator[Problem]:
    session = settings.session
    if session.store_grace > session.idle_timeout / 2:
        yield Problem(
            (("session", "store_grace"), ("session", "idle_timeout")),
            BadValue(
                "is longer than half of session.idle_timeout",
                f"at most {duration_text(session.idle_timeout / 2)}",
                "uses cannot be written down meanwhile, and who was active would be found idle",
            ),
        )

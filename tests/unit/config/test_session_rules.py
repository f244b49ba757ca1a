"""What the keys of `[session]` must be, and be to each other."""

import pytest

from tests.unit.config.conftest import VALID


@pytest.mark.parametrize(
    ("lines", "key", "message"),
    [
        (['remember_absolute_timeout = "20h"'], "session.remember_absolute_timeout", "remembers nobody"),
        (
            ['remember_idle_timeout = "30m"'],
            "session.remember_idle_timeout",
            "is shorter than session.idle_timeout",
        ),
        (['remember_idle_timeout = "13h"'], "session.remember_idle_timeout", "is longer than such a session lives"),
        (
            ['remember_idle_timeout = "2h"', 'remember_absolute_timeout = "11h"'],
            "session.remember_absolute_timeout",
            "is shorter than session.absolute_timeout",
        ),
        (
            ['remember_idle_timeout = "7d"', 'remember_absolute_timeout = "30d"'],
            "session.remember_absolute_timeout",
            "is longer than tokens.max_session_lifetime",
        ),
        (['on_too_many = "refuse"'], "session.on_too_many", "refuses nobody"),
        (['on_too_many = "newest"'], "session.on_too_many", 'is "newest"'),
        (["max_per_user = 0"], "session.max_per_user", "is out of range"),
        (['binding = "on"'], "session.binding", 'is "on"'),
        (['binding = "report"', "binding_traits = []"], "session.binding_traits", "names nothing to compare"),
        (['binding_traits = ["ip"]'], "session.binding_traits.0", 'is "ip"'),
        (["binding_ipv4_prefix = 33"], "session.binding_ipv4_prefix", "is out of range"),
        (["binding_ipv6_prefix = 8"], "session.binding_ipv6_prefix", "is out of range"),
        (["binding_ipv6_prefix = true"], "session.binding_ipv6_prefix", "is a boolean"),
        (['store_grace = "31m"'], "session.store_grace", "is longer than half of session.idle_timeout"),
    ],
)
def test_broken_rule_is_told_at_its_line(disk, lines, key, message):
    """Each mistake names its key and its line, alone."""
    text = VALID + "\n".join(["[session]", *lines]) + "\n"

    ((_, place, told, what, _),) = disk.complaints(text)

    assert key == told
    assert what.startswith(message)
    assert place.startswith("bff.toml:")


def test_everything_at_once_is_fine(disk):
    """The keys go together."""
    text = (
        VALID
        + """[session]
remember_idle_timeout = "7d"
remember_absolute_timeout = "30d"
max_per_user = 3
on_too_many = "refuse"
binding = "enforce"
binding_traits = ["user_agent"]
binding_ipv4_prefix = 16
store_grace = "5m"

[tokens]
max_session_lifetime = "30d"
"""
    )

    assert [] == disk.complaints(text)

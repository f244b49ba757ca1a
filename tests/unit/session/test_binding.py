"""What a browser shows of itself, and what counts as the same one."""

import pytest

from bff.errors import SessionElsewhere
from bff.session.binding import Binding, browser_family, came_from, network_of
from bff.session.live import LiveSession
from bff.session.ticket import Ticket
from tests.values import NOW, make_session

FIREFOX = b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.mark.parametrize(
    ("user_agent", "family"),
    [
        (FIREFOX, "firefox on linux"),
        (FIREFOX.replace(b"140", b"141"), "firefox on linux"),
        (
            b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/137.0 Safari/537.36",
            "chrome on windows",
        ),
        (
            b"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/137.0 Safari/537.36 Edg/137.0",
            "edge on windows",
        ),
        (b"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.4 Safari/605.1.15", "safari on mac"),
        (
            b"Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) CriOS/137.0 Mobile Safari/604.1",
            "chrome on iphone",
        ),
        (
            b"Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/137.0 Mobile Safari/537.36",
            "chrome on android",
        ),
        (b"curl/8.5.0", "curl"),
        (b"", ""),
        (b"\xff" * 5000, "�" * 32),
    ],
)
def test_family_and_system_name_a_browser_and_versions_do_not(user_agent, family):
    """An update is no other browser; whatever a client calls itself, the name stays short."""
    assert family == browser_family(user_agent)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2ff::7", "2001:db8:1:200::/56"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_network_of_an_address(address, network):
    """IPv4 in IPv6's clothes is IPv4; what is no address stands for itself."""
    assert network == network_of(address, 24, 56)


def live_with(traits):
    live = LiveSession(Ticket(b"i" * 32, b"s" * 32), b"k" * 32, 60)
    live.adopt(make_session(traits=traits), 1)
    return live


def test_user_agent_without_end_is_not_kept():
    """A warm session remembers what its browser showed, and anybody signed in may show 32 KB."""
    assert (FIREFOX.ljust(512), "192.0.2.7") == came_from([(b"user-agent", FIREFOX.ljust(30_000))], "192.0.2.7")


def test_same_browser_is_compared_once():
    """What a warm session has been compared with needs no second look; another address of its network passes."""
    told = []
    binding = Binding(["user_agent", "network"], 24, 56, True, lambda: NOW, lambda *event: told.append(event))
    came = came_from([(b"host", b"x"), (b"user-agent", FIREFOX)], "192.0.2.7")
    live = live_with(binding.traits_of(came))

    binding.check(live, came)
    assert came == live.came_from
    binding.check(live, (FIREFOX, "192.0.2.200"))  # another address of the same network
    with pytest.raises(SessionElsewhere):
        binding.check(live, (FIREFOX, "192.0.3.7"))
    binding.check(live, came)

    ((name, fields),) = told
    assert ("session.elsewhere", "network") == (name, fields["reason"])


def test_traits_that_are_compared_no_longer_do_not_count():
    """A session that began with both is compared by what the configuration names now."""
    both = Binding(["user_agent", "network"], 24, 56, True, lambda: NOW, lambda *_: None)
    one = Binding(["user_agent"], 24, 56, True, lambda: NOW, lambda *_: None)
    live = live_with(both.traits_of((FIREFOX, "192.0.2.7")))

    assert not both.is_same(live, (FIREFOX, "198.51.100.1"))
    assert one.is_same(live, (FIREFOX, "198.51.100.1"))

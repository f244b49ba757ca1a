"""The issuer's metadata: fetched, kept, kept fresh."""

import asyncio

import pytest

from bff.errors import IssuerUnavailable
from bff.oidc.discovery import Discovery
from bff.oidc.transport import IssuerTransport
from tests.neg_op import NegOp, Reply
from tests.oidc_world import Clock, make_client


class It:
    """A discovery with its provider, clock and events."""

    def __init__(self, op: NegOp | None = None) -> None:
        self.op = op or NegOp()
        self.clock = Clock()
        self.events: list[tuple[str, object]] = []
        self.transport = IssuerTransport(self.op.transport(), timeout=5)
        self.discovery = Discovery(
            make_client(self.op),
            self.transport,
            algorithms=["RS256"],
            monotonic=self.clock,
            on_event=lambda name, details: self.events.append((name, details.get("reason"))),
        )

    async def unavailable(self) -> int | None:
        with pytest.raises(IssuerUnavailable) as caught:
            await self.discovery.ensure()
        return caught.value.retry_after


@pytest.fixture
async def it():
    it = It()
    yield it
    await it.discovery.close()
    await it.transport.close()


async def test_metadata_are_asked_for_once(it: It):
    """OIDC Discovery §4."""
    for _ in range(3):
        assert "https://op.test/token" == (await it.discovery.ensure()).token_endpoint

    assert 1 == it.op.count("discovery")
    assert [("discovery_succeeded", None)] == it.events


async def test_everybody_who_needs_them_shares_one_request(it: It):
    """Single flight at start-up."""
    gate = it.op.hold("discovery")
    waiting = [asyncio.create_task(it.discovery.ensure()) for _ in range(20)]
    await asyncio.sleep(0)
    gate.set()

    assert 20 == len(await asyncio.gather(*waiting))
    assert 1 == it.op.count("discovery")


@pytest.mark.parametrize(
    "reply",
    [Reply(500), Reply(404), Reply(200, b"<html>", media_type="text/html"), Reply(200, b"[]"), Reply(302)],
    ids=["500", "404", "html", "array", "redirect"],
)
async def test_a_dead_issuer_is_asked_once_and_then_left_alone(it: It, reply: Reply):
    """OIDC Discovery §4: answer at once while the last failure is fresh; then try again."""
    it.op.script("discovery", reply)

    assert [1, 1, 1] == [await it.unavailable() for _ in range(3)]
    assert 1 == it.op.count("discovery")
    assert it.discovery.last_error is not None

    it.clock.advance(1)
    assert (await it.discovery.ensure()).issuer == it.op.issuer
    assert it.discovery.last_error is None
    assert ["discovery_failed", "discovery_succeeded"] == [name for name, _ in it.events]


async def test_the_pause_grows_to_its_bound(it: It):
    """1, 2, 4 … 60 seconds."""
    it.op.down = True
    waits = []
    for _ in range(9):
        waits.append(await it.unavailable())
        it.clock.advance(60)

    assert [1, 2, 4, 8, 16, 32, 60, 60, 60] == waits


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://op.test/"},
        {"issuer": "https://evil.test"},
        {"token_endpoint": "http://169.254.169.254/token"},
        {"jwks_uri": None},
    ],
)
async def test_a_document_that_lies_is_not_used(it: It, change):
    """OIDC Discovery §4.3, RFC 8414 §3.3."""
    it.op.metadata.update(change)

    await it.unavailable()

    assert it.discovery.metadata is None
    assert "discovery document" in (it.discovery.last_error or "")


async def test_the_last_good_copy_survives(it: It):
    """OIDC Discovery §4: an outage or a lie after start changes nothing."""
    good = await it.discovery.ensure()
    for bend in ({"issuer": "https://evil.test"}, {"token_endpoint": "http://evil.test/"}):
        it.op.metadata = bend
        with pytest.raises(IssuerUnavailable):
            await it.discovery.refresh()
    it.op.down = True
    with pytest.raises(IssuerUnavailable):
        await it.discovery.refresh()

    assert good == await it.discovery.ensure()
    assert it.discovery.last_error is not None


async def test_the_end_of_an_outage_is_told(it: It):
    """An operator who saw it fail sees it recover, once."""
    await it.discovery.ensure()
    it.op.script("discovery", Reply(503))
    with pytest.raises(IssuerUnavailable):
        await it.discovery.refresh()
    for _ in range(3):
        await it.discovery.refresh()

    names = [name for name, _ in it.events]
    assert ["discovery_succeeded", "discovery_failed", "discovery_succeeded"] == names


async def test_a_refresh_takes_over_what_changed(it: It):
    """OIDC Discovery §4: endpoints move."""
    await it.discovery.ensure()
    it.op.metadata["token_endpoint"] = "https://op.test/v2/token"
    await it.discovery.refresh()

    assert "https://op.test/v2/token" == (await it.discovery.ensure()).token_endpoint


async def test_an_issuer_with_a_slash_at_its_end():
    """OIDC Discovery §4.1: the slash is not doubled, and the issuer is still compared with it."""
    it = It(NegOp(issuer="https://op.test/"))

    assert "https://op.test/" == (await it.discovery.ensure()).issuer
    assert ["https://op.test/.well-known/openid-configuration"] == [seen.url for seen in it.op.seen]
    await it.transport.close()


async def test_an_issuer_with_a_path():
    """OIDC Discovery §4: the well-known path comes after the issuer's."""
    it = It(NegOp(issuer="https://op.test/realms/a"))

    assert "https://op.test/realms/a/token" == (await it.discovery.ensure()).token_endpoint
    await it.transport.close()


async def test_weak_metadata_are_told_about(it: It):
    """RFC 9700 §4.7.1: PKCE that is not announced cannot be relied on."""
    it.op.metadata["code_challenge_methods_supported"] = ["plain"]
    await it.discovery.ensure()

    assert ("issuer_metadata_weak", "pkce_not_advertised") in it.events

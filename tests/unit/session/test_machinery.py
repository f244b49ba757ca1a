"""What runs beside the requests: background work, revocations and the ear on the store."""

import asyncio

import pytest

from bff.errors import IssuerUnavailable, MetadataInvalid, SessionStoreUnavailable
from bff.session import revocation
from bff.session.background import Background
from bff.session.changes import ChangeFeed
from bff.session.records import Change, ChangeKind, Lost, Restored
from bff.session.revocation import Revocations
from tests.internet import eventually, settle
from tests.values import make_tokens


class Told(list):
    def __call__(self, name, fields):
        self.append((name, dict(fields)))


# ── background work ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, []),
        (IssuerUnavailable(), [("background.failed", {"task": "work", "code": "issuer_unavailable"})]),
        (KeyError("token"), [("background.crashed", {"task": "work", "error": "KeyError"})]),
        (asyncio.CancelledError(), []),
    ],
)
async def test_failures_are_told_without_their_texts(error, told):
    """An error of ours by its code, any other by its type: neither message may hold a secret."""
    events = Told()

    async def work():
        if error is not None:
            raise error

    task = Background(events).start(work(), "work")
    await asyncio.wait([task])
    await settle()

    assert told == events


async def test_close_waits_for_what_is_under_way_and_for_what_that_begins():
    """Work that ends by beginning more is waited for to its end."""
    background, done = Background(Told()), []

    async def last():
        await asyncio.sleep(0)
        done.append("last")

    async def first():
        await asyncio.sleep(0)
        background.start(last(), "last")

    background.start(first(), "first")
    await background.close(5)

    assert ["last"] == done
    await background.close(5)


async def test_close_cancels_what_takes_too_long():
    """After its time everything is cancelled, and has a moment to clean up."""
    background, seen = Background(Told()), []

    async def forever():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("cleaned up")

    task = background.start(forever(), "forever")
    await asyncio.sleep(0)
    await background.close(0.0)

    assert (["cleaned up"], True) == (seen, task.cancelled())


# ── revocations ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answers", "calls", "told"),
    [
        ([None], 1, [("tokens.revoked", {"session": "h"})]),
        ([IssuerUnavailable(), None], 2, [("tokens.revoked", {"session": "h"})]),
        ([IssuerUnavailable()] * 5, 5, [("tokens.revocation_failed", {"session": "h"})]),
        (
            [MetadataInvalid()],
            1,
            [("background.failed", {"task": "revoke-tokens", "code": "issuer_metadata_invalid"})],
        ),
    ],
)
async def test_revocation_is_tried_again_while_the_issuer_is_away(monkeypatch, answers, calls, told):
    """RFC 7009 §2.2.1: after a 503 the client tries again; in the end somebody hears of it."""
    monkeypatch.setattr(revocation, "_DELAYS", (0, 0, 0, 0))
    events, asked = Told(), []
    left = list(answers)

    async def revoke(tokens):
        asked.append(tokens)
        answer = left.pop(0)
        if answer is not None:
            raise answer

    background = Background(events)
    Revocations(revoke, background, events).later(make_tokens(), "h")
    await background.close(5)
    await settle()

    assert ([make_tokens()] * calls, told) == (asked, events)


# ── the ear ──────────────────────────────────────────────────────────────────────────────────────────────


class Tape:
    """A store that plays scripted news; an exception breaks the connection."""

    def __init__(self, *reels):
        self.reels = list(reels)
        self.opened = 0

    async def changes(self):
        self.opened += 1
        for news in self.reels.pop(0) if self.reels else []:
            if isinstance(news, Exception):
                raise news
            yield news
        if not self.reels:
            await asyncio.Event().wait()


def change(key=b"k", version=2):
    return Change(ChangeKind.REPLACED, key, version)


async def listen(*reels):
    """Play the reels; return the feed, what it told, what its listeners heard, and how often they forgot."""
    events, heard, forgot = Told(), [], []
    feed = ChangeFeed(Tape(*reels), events, retry_after=0.0)
    feed.listen(heard.append, lambda: forgot.append(feed.trusted))
    feed.start()
    await eventually(lambda: not feed._store.reels)
    await settle()
    return feed, events, heard, forgot


async def test_changes_are_handed_on_and_trusted_once_the_connection_stands():
    """Until the first Restored, nothing cached may be believed."""
    feed, events, heard, forgot = await listen([Restored(), change(), change(b"j")])

    assert (True, [change(), change(b"j")], []) == (feed.trusted, heard, forgot)
    assert [("store.push_restored", {})] == events
    await feed.close()
    await feed.close()


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ([Lost()], []),
        ([SessionStoreUnavailable()], []),
        ([], []),
        ([ValueError("x")], [("background.crashed", {"task": "change-feed", "error": "ValueError"})]),
    ],
)
async def test_interrupted_connection_is_not_trusted_and_comes_back(end, told):
    """However it breaks, the listeners forget, trust ends, and the feed listens again."""
    feed, events, heard, forgot = await listen([Restored(), *end], [Restored(), change()])

    assert (True, [change()]) == (feed.trusted, heard)
    assert forgot
    assert not any(forgot)
    assert [
        ("store.push_restored", {}),
        *told,
        ("store.push_lost", {}),
        ("store.push_restored", {}),
    ] == events
    await feed.close()


async def test_listener_that_fails_does_not_end_the_listening():
    """A fault in our own code must not leave a worker that hears nothing and believes everything."""
    events, heard = Told(), []
    feed = ChangeFeed(Tape([Restored(), change(version=0)], [Restored(), change()]), events, retry_after=0.0)

    def divide(news):
        heard.append(1 / news.version)

    feed.listen(divide, lambda: None)
    feed.start()
    await eventually(lambda: heard)

    assert ([0.5], True) == (heard, feed.trusted)
    assert ("background.crashed", {"task": "change-feed", "error": "ZeroDivisionError"}) in events
    await feed.close()


async def test_waiter_wakes_on_its_own_key():
    """Nobody is woken by another key's change, and nobody is left behind in the table."""
    feed = ChangeFeed(Tape(), Told())
    with feed.waiter(b"k") as waiter, feed.waiter(b"j") as other, feed.waiter(b"k") as second:
        feed._hear(change())
        assert [True, False, True] == [waiter.heard, other.heard, second.heard]
        assert [True, False] == [await waiter.wait(1), await other.wait(0.0)]
        assert [False, True] == [waiter.heard, await second.wait(1)]

    assert {} == feed._waiting


async def test_change_before_the_wait_is_not_missed():
    """The registration counts, not the moment at which the waiting begins."""
    feed = ChangeFeed(Tape(), Told())
    with feed.waiter(b"k") as waiter:
        feed._hear(change())
        async with asyncio.timeout(30):
            assert await waiter.wait(60)


async def test_everybody_wakes_when_changes_may_have_been_missed():
    """Waiting on for a push that was lost would be waiting for nothing."""
    feed = ChangeFeed(Tape(), Told())
    with feed.waiter(b"k") as one, feed.waiter(b"j") as two:
        feed._hear(Lost())
        assert [True, True] == [await one.wait(1), await two.wait(1)]


async def test_cancelled_waiter_leaves_nothing_behind():
    """A request that goes away while it waits is forgotten."""
    feed = ChangeFeed(Tape(), Told())

    async def wait():
        with feed.waiter(b"k") as waiter:
            await waiter.wait(60)

    task = asyncio.ensure_future(wait())
    await settle()
    assert [b"k"] == list(feed._waiting)
    task.cancel()
    await asyncio.wait([task])

    assert {} == feed._waiting

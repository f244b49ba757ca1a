"""The most sessions of a user, held through every store by two workers."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bff.crypto.key_ring import KeyRing
from bff.errors import CallbackRejected
from bff.session.background import Background
from bff.session.changes import ChangeFeed
from bff.session.limits import Limits
from bff.session.live import LiveSession
from bff.session.most_sessions import MostSessions
from bff.session.principal import Principal
from bff.session.records import Store
from bff.session.revocation import Revocations
from bff.session.sessions import Sessions
from bff.session.vault import Vault
from tests.contract.conftest import Workers
from tests.values import NOW, make_grant

KEY = "q4Hk0T0l1b3zqJ0C9m2sXw7dVt5yUe8RfGhAiPoLkNM"


def _nothing(_name: str, _fields: object) -> None:
    """Nobody listens."""


async def _revoked(*_: object) -> None:
    """The issuer takes every token back."""


@asynccontextmanager
async def worker(store: Store, most: int, *, ends_oldest: bool) -> AsyncIterator[tuple[Sessions, MostSessions]]:
    """What a worker has, as far as sessions go."""
    vault, background = Vault(KeyRing([KEY]), "spa"), Background(_nothing)
    feed = ChangeFeed(store, _nothing)
    sessions = Sessions(
        store=store,
        vault=vault,
        feed=feed,
        revocations=Revocations(_revoked, background, _nothing),
        background=background,
        limits=Limits(idle=3600, absolute=43200, renew_ahead=60),
        clock=lambda: NOW,
        emit=_nothing,
    )
    held = MostSessions(
        most,
        ends_oldest=ends_oldest,
        sessions=sessions,
        store=store,
        vault=vault,
        background=background,
        clock=lambda: NOW,
        emit=_nothing,
    )
    feed.start()
    yield sessions, held
    await background.close(10)
    await feed.close()


async def log_in(sessions: Sessions, held: MostSessions, subject: str) -> LiveSession | None:
    """Begin a session as a login does; None when it was refused."""
    grant = make_grant()
    principal = Principal("https://op.test", subject, frozenset(), grant.claims)
    tokens = replace(grant.tokens, access_token=os.urandom(8).hex())
    live, _ = await sessions.create(replace(grant, tokens=tokens), principal, NOW)
    try:
        await held.admit(live, besides=None)
    except CallbackRejected:
        return None
    return live


@pytest.mark.parametrize("ends_oldest", [True, False], ids=["end_oldest", "refuse"])
async def test_parallel_logins_of_two_workers_leave_exactly_as_many_as_allowed(
    workers: Workers, ends_oldest: bool
) -> None:
    """Of eight logins at once three are left alive, all of them let in; other users are untouched."""
    async with (
        worker(workers.one, 3, ends_oldest=ends_oldest) as one,
        worker(workers.two, 3, ends_oldest=ends_oldest) as two,
    ):
        other = await log_in(*one, "bob")
        admitted = await asyncio.gather(*(log_in(*(one, two)[number % 2], "alice") for number in range(8)))

    alive = {record.key for record in await workers.one.find(now=NOW)}
    assert other is not None
    assert 4 == len(alive)
    assert alive <= {live.key for live in (*admitted, other) if live is not None}

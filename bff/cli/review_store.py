"""The access review of a running server's store, from the command line."""

import time
from pathlib import Path

from bff.access.configured import build_assigned, build_principals, build_role_map, build_route_policy
from bff.access.review import Due, Review, find_due
from bff.access.review_registry import Registry
from bff.access.roles import RoleReader
from bff.assembly.reviewing import Reviewing, ReviewingParts, build_end_subject
from bff.cli.session_store import Opened
from bff.config import Settings
from bff.crypto.key_ring import KeyRing
from bff.events import Emit, ignore
from bff.session.ending import RevokeTokens
from bff.session.stores import documents_of, open_store


def build_review(opened: Opened, emit: Emit = ignore, revoke_tokens: RevokeTokens | None = None) -> Review:
    """Return the review of an open store. Raises `ValueError` and `ConfigError` as the server does."""
    settings, store = opened.settings, opened.store
    reader = RoleReader(build_role_map(settings))
    assigned = build_assigned(settings, reader)
    principals = build_principals(settings, assigned, reader)
    policies = [build_route_policy(api) for api in settings.api]
    parts = ReviewingParts(store, opened.vault, policies, principals, reader, assigned, opened.clock, emit)

    return Reviewing(settings, parts, build_end_subject(settings, parts, store.end_many, revoke_tokens)).review


def has_store(settings: Settings) -> bool:
    """Whether a store can be asked: not one in another process, nor a file that is still to be made."""
    url = settings.session.store.reveal()
    if url.startswith("sqlite:"):
        return Path(url.removeprefix("sqlite:///")).exists()
    return not url.startswith("memory:")


async def read_due(settings: Settings) -> Due:
    """Return when the review is due. Raises `SessionStoreUnavailable`."""
    url = settings.session.store.reveal()
    store = open_store(url, timeout=settings.session.store_timeout)
    ring = KeyRing([secret.reveal() for secret in settings.keys.secrets])
    try:
        await store.open()
        registry = Registry(documents_of(store), ring, settings.review.keep)
        return await find_due(registry, settings.review.interval, time.time())
    finally:
        await store.close()


def describe_due(due: Due) -> str:
    """Return the state of the review in a sentence."""
    last = f"access was last reviewed on {_day(due.last_at)}" if due.last_at is not None else "never reviewed yet"
    if due.due_at is None:
        return last
    return f"{last}; the review {'was' if due.is_overdue else 'is'} due on {_day(due.due_at)}"


def _day(at: float | None) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at or 0))

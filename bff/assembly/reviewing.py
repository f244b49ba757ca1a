"""The access review, put together: who is noted beside the requests, and what is made of it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bff.access.assigned import Assigned
from bff.access.lint import unreachable_routes
from bff.access.openings import ReviewedRoute
from bff.access.policy import Policy
from bff.access.principals import Principals
from bff.access.review import EndSubject, Review
from bff.access.review_findings import Thresholds
from bff.access.review_registry import Registry
from bff.access.review_rows import RowBuilder
from bff.access.roles import RoleReader
from bff.access.usage import Usage
from bff.config.settings import AtRest, Settings, TokenKind
from bff.events import Emit
from bff.oidc.grant import Grant
from bff.session.directory import Directory, Selection
from bff.session.ending import Ending, EndRecords, RevokeTokens
from bff.session.principal import Principal
from bff.session.records import Store
from bff.session.sessions import Sessions
from bff.session.stores import documents_of
from bff.session.vault import Vault

_PAGE = 200
_MOST_SESSIONS = 10_000  # counted for one page of subjects


@dataclass(frozen=True, slots=True)
class ReviewingParts:
    """What a review stands on. `policies` are those of all routes, by path."""

    store: Store
    vault: Vault
    policies: Sequence[Policy]
    principals: Principals
    reader: RoleReader
    assigned: Assigned
    clock: Callable[[], float]
    emit: Emit


class Reviewing:
    """The notes of one worker, written in the background, and the review."""

    def __init__(self, settings: Settings, parts: ReviewingParts, end_subject: EndSubject) -> None:
        routes = build_reviewed_routes(settings, parts.policies)
        registry = Registry(documents_of(parts.store), parts.vault.ring, settings.review.keep)
        principals, clock = parts.principals, parts.clock
        self.usage = Usage(registry, routes, lambda grant: principals.origins(grant, clock()), clock, parts.emit)
        self.review = Review(
            registry=registry,
            builder=RowBuilder(
                routes=routes,
                principals=principals,
                reader=parts.reader,
                assigned=parts.assigned,
                thresholds=Thresholds(settings.review.unused, settings.review.ends_soon),
                interval=settings.review.interval,
            ),
            issuer=settings.oidc.issuer,
            unreachable=partial(unreachable_routes, settings),
            live_sessions=partial(count_sessions, parts.store, parts.vault),
            end_subject=end_subject,
            interval=settings.review.interval,
            emit=parts.emit,
            write_notes=self.usage.flush,
        )
        self._principals = principals
        self._emit = parts.emit
        self._task: asyncio.Task[None] | None = None

    def principal_of(self, grant: Grant) -> Principal:
        """Return who a grant is for, and note what its tokens say."""
        principal = self._principals(grant)
        try:
            self.usage.told(grant, principal)
        except Exception as error:  # noqa: BLE001 - a mapping of the operator's own keeps nobody out by this
            self._emit("registry.failed", {"error": type(error).__name__})
        return principal

    def start(self) -> None:
        """Begin to write what is noted."""
        self._task = asyncio.get_running_loop().create_task(self.usage.run(), name="write-registry")

    async def stop(self) -> None:
        """Write what is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.usage.close()


def build_reviewing(settings: Settings, sessions: Sessions, parts: ReviewingParts) -> Reviewing:
    """Return a worker's own, which ends sessions as every revocation does."""
    return Reviewing(
        settings,
        parts,
        build_end_subject(settings, parts, sessions.end_keys, sessions.leftovers.revoke_without_cookie),
    )


def build_end_subject(
    settings: Settings, parts: ReviewingParts, end_records: EndRecords, revoke_tokens: RevokeTokens | None
) -> EndSubject:
    """Return what ends all sessions of a subject."""
    ending = Ending(
        store=parts.store,
        directory=Directory(parts.store, parts.vault, settings.oidc.issuer),
        end_records=end_records,
        revoke_tokens=revoke_tokens if settings.session.at_rest is AtRest.SERVER else None,
        clock=parts.clock,
        emit=parts.emit,
    )

    async def end_subject(issuer: str, subject: str, by: str) -> int:
        return (await ending.run(Selection(subject=subject, issuer=issuer), by=by)).ended

    return end_subject


def build_reviewed_routes(settings: Settings, policies: Sequence[Policy]) -> list[ReviewedRoute]:
    """Return the routes that have a user: what is open to everybody is nobody's right."""
    return [
        ReviewedRoute(api.path, policy, api.policy)
        for api, policy in zip(settings.api, policies, strict=True)
        if api.token is not TokenKind.NONE
    ]


async def count_sessions(
    store: Store, vault: Vault, names: Sequence[tuple[str, str]], now: float
) -> dict[tuple[str, str], int]:
    """Return how many live sessions each of these subjects has, or had counted before there were too many."""
    owners = {found: name for name in names for found in vault.subject_hashes(*name)}
    counts: dict[tuple[str, str], int] = {}
    after, counted = b"", 0
    while counted < _MOST_SESSIONS:
        page = await store.find(now=now, subjects=list(owners), after=after, limit=_PAGE)
        for record in page:
            name = owners[record.subject]
            counts[name] = counts.get(name, 0) + 1
        if len(page) < _PAGE:
            break
        after, counted = page[-1].key, counted + len(page)
    return counts

"""Recording a review from the command line: audited, counted, and with tokens revoked as the server would."""

import rich_click as click

from bff.access.review_records import Ruling
from bff.cli.access_review import record_all
from bff.cli.review_store import build_review
from bff.cli.session_store import Opened, with_store
from bff.cli.sessions_revoke import audited, counted
from bff.cli.token_revoker import token_revoker
from bff.config import Settings
from bff.errors import AuditUnavailable


def record(settings: Settings, decided: tuple[str, list[Ruling]], by: str) -> str:
    """Record decisions and say what was done, or end with the reason why it cannot be."""
    note, rulings = decided

    async def work(opened: Opened) -> str:
        async with (
            audited(opened) as audit,
            counted(opened, audit) as emit,
            token_revoker(opened, emit) as revoke_tokens,
        ):
            review = build_review(opened, emit, revoke_tokens)
            return await record_all(review, note, rulings, by, opened.clock())

    try:
        return with_store(settings, work)
    except AuditUnavailable as error:
        raise click.ClickException(f"nothing was recorded: {error.detail}") from None

"""Whether access has been reviewed as often as the configuration says."""

from bff.access.review import OVERDUE
from bff.cli.checks.outcome import Outcome, Status
from bff.cli.review_store import describe_due, has_store, read_due
from bff.config.settings import Settings
from bff.errors import SessionStoreUnavailable


async def check_review(settings: Settings) -> list[Outcome]:
    """Ask the store, where a review is ever due. A store that does not answer is another check's."""
    if settings.review.interval is None or not has_store(settings):
        return []
    try:
        due = await read_due(settings)
    except (SessionStoreUnavailable, ValueError):
        return []
    if due.is_overdue:
        return [Outcome(Status.WARN, "review", describe_due(due), OVERDUE.change)]
    return [Outcome(Status.OK, "review", describe_due(due))]

"""What happened lately, for the console's first page."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from bff.access.overview import WINDOWS, Calls, Denials, Lifetimes, Point
from bff.access.statistics import Statistics
from bff.web.admin.errors import InvalidRequest
from bff.web.admin.operators import Operator


class FindingCounts(msgspec.Struct, frozen=True):
    """How many findings there are of each level."""

    error: int
    warning: int
    info: int


class ReviewTimes(msgspec.Struct, frozen=True):
    """When access was last reviewed, and when it is to be next."""

    last_at: float | None
    due_at: float | None


class Overview(msgspec.Struct, frozen=True):
    """What happened in the last `window` seconds: series of `[start of the bucket, number]`, oldest first."""

    now: float
    window: int
    bucket: int
    live_sessions: int
    series: Mapping[str, Sequence[Point]]
    denials_by_route: Sequence[Denials]
    calls_by_route: Sequence[Calls]
    access_token_lifetimes: Lifetimes
    findings: FindingCounts
    review: ReviewTimes


Window = Annotated[int, QueryParameter(description="Seconds: 3600, 86400 or 604800.")]


def overview_handlers(
    statistics: Statistics,
    findings: Callable[[], Awaitable[FindingCounts]],
    review: Callable[[], Awaitable[ReviewTimes]],
) -> list[HTTPRouteHandler]:
    """Return `GET /overview`."""

    @get("/overview")
    async def overview(operator: Operator, window: Window = 86_400) -> Overview:  # noqa: ARG001 -- it needs one
        """Show what happened over time: sessions, logins, renewals, denials and how long tokens live."""
        if window not in WINDOWS:
            raise InvalidRequest(f"window: {', '.join(map(str, WINDOWS))} (seconds) are possible.")
        seen = await statistics.picture(window)
        return Overview(
            now=seen.now,
            window=seen.window,
            bucket=seen.bucket,
            live_sessions=seen.live_sessions,
            series=seen.series,
            denials_by_route=seen.denials_by_route,
            calls_by_route=seen.calls_by_route,
            access_token_lifetimes=seen.access_token_lifetimes,
            findings=await findings(),
            review=await review(),
        )

    return [overview]

"""Series that begin at nought, so that the first time of something is seen as one more.

Prometheus takes no rate from a counter that appears at one: the first failure, often the only one, would be missed.
"""

from collections.abc import Iterable, Sequence
from itertools import product

from bff.assembly.metrics_store import REASONS
from bff.errors import BffError, UpstreamBusy, UpstreamTimeout, UpstreamUnreachable
from bff.observe import metrics_catalog as catalog
from bff.observe.metrics import Labels, Metrics
from bff.observe.metrics_catalog import Family
from bff.observe.metrics_events import ENDS_OF_RENEWALS, LOGIN_REASONS, codes_of

_OF_STORE = (
    "acquire", "count", "create", "end", "end_many", "find", "load", "open", "ping", "purge", "recall", "release",
    "remember", "replace", "touch",
)  # fmt: skip
_OF_ISSUER = ("discovery", "keys", "authorization_code", "refresh_token", "userinfo", "revocation")
_POSTPONED = ("issuer_unavailable", "session_store_unavailable", "other")
_DIFFERING = ("user_agent", "network", "user_agent_and_network")
_KNOWN: Sequence[tuple[Family, Iterable[Labels]]] = (
    (catalog.RENEWALS, tuple(product(("ahead", "expired"), ("done", "refused", "failed")))),
    (catalog.RENEWAL_FAILURES, tuple(product((*ENDS_OF_RENEWALS, *_POSTPONED)))),
    (catalog.LOGIN_FAILURES, tuple(product(LOGIN_REASONS))),
    (catalog.SESSIONS_ENDED, tuple(product((*REASONS, "other")))),
    (catalog.SESSIONS_ELSEWHERE, tuple(product(_DIFFERING, ("denied", "reported")))),
    (catalog.STORE_ERRORS, tuple(product(_OF_STORE))),
    (catalog.ISSUER_ERRORS, tuple(product(_OF_ISSUER, ("unanswered", "3xx", "4xx", "5xx")))),
)


def begin_at_nought(metrics: Metrics, routes: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Add every counter whose labels are known beforehand; `routes` are paths with their upstreams' addresses."""
    for family, series in _KNOWN:
        for labels in series:
            metrics.count(family, *labels, by=0)
    for code in codes_of(BffError):  # of all modules, which are there by now
        metrics.count(catalog.REJECTED, code, by=0)
    for path, addresses in routes:
        metrics.count(catalog.DENIALS, path, by=0)
        for error in (UpstreamUnreachable, UpstreamBusy, UpstreamTimeout):
            metrics.count(catalog.UPSTREAM_ERRORS, path, error.code, by=0)
        for address in addresses:
            metrics.count(catalog.EJECTIONS, path, address, by=0)

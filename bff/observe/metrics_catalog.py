"""Every metric: its name, kind, labels and meaning.

Units are base units, as Prometheus has them: seconds, and epoch seconds for moments. No label takes a value that a
user or a browser could choose.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_QUICK = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Attributes:
        kind: "counter", "gauge" or "histogram". A gauge is the sum over the workers that live, unless `is_highest`.
        buckets: upper bounds of a histogram, ascending, without infinity.
        is_highest: the gauge is the greatest that any worker has.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()
    is_highest: bool = False


def _counter(name: str, meaning: str, *labels: str) -> Family:
    return Family(f"bff_{name}_total", "counter", labels, meaning)


def _seconds(name: str, meaning: str, *labels: str, buckets: tuple[float, ...] = _SLOW) -> Family:
    return Family(f"bff_{name}_seconds", "histogram", labels, meaning, buckets)


def _gauge(name: str, meaning: str, *labels: str) -> Family:
    return Family(f"bff_{name}", "gauge", labels, meaning)


def _highest(name: str, meaning: str, *labels: str) -> Family:
    return Family(f"bff_{name}", "gauge", labels, meaning, is_highest=True)


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────────
REQUESTS = _counter(
    "http_requests", "Requests that have been answered, or broken off.", "route", "method", "status"
)
REQUEST_SECONDS = _seconds("http_request_duration", "From a request's head to its answer's last byte.", "route")
OWN_SECONDS = _seconds(
    "http_own_duration",
    "Until the answer's head went out, without the time that the upstream took.",
    "route",
    buckets=_QUICK,
)
UPSTREAM_SECONDS = _seconds(
    "http_upstream_duration", "Until the upstream's answer began: connecting, sending, waiting.", "route"
)
IN_PROGRESS = _gauge("http_requests_in_progress", "Requests under way, streams among them.")
OPEN_STREAMS = _gauge("open_streams", "WebSockets, and answers that stay open.", "kind")
REJECTED = _counter("rejected_requests", "Requests that we answered with a problem of our own.", "code")

# ── upstreams ────────────────────────────────────────────────────────────────────────────────────────────
UPSTREAM_ERRORS = _counter("upstream_errors", "Calls that got no answer out of the upstream.", "route", "code")
EJECTIONS = _counter("upstream_ejections", "Times that an address was left out for a while.", "route", "upstream")
POOL_USED = _gauge("upstream_connections_in_use", "Connections that carry a call now.", "route", "upstream")
POOL_WAITING = _gauge("upstream_calls_waiting", "Calls that wait for a connection.", "route", "upstream")
POOL_LIMIT = _gauge("upstream_connections_limit", "The most connections that may be in use.", "route", "upstream")

# ── renewal ──────────────────────────────────────────────────────────────────────────────────────────────
RENEWALS = _counter(
    "renewals", "Refresh grants, by whether the token was still good, and how they ended.", "trigger", "outcome"
)
RENEWAL_SECONDS = _seconds("renewal_duration", "The refresh grant, with the checks of what came.")
RENEWAL_FAILURES = _counter("renewal_failures", "Renewals that did not come about, or ended the session.", "reason")
RENEWAL_WAIT_SECONDS = _seconds("renewal_wait_duration", "How long requests with an expired token waited.")

# ── logins and sessions ──────────────────────────────────────────────────────────────────────────────────
LOGINS = _counter("logins", "Logins that were finished.")
LOGIN_FAILURES = _counter("login_failures", "Logins that could not be finished.", "reason")
DENIALS = _counter("access_denials", "Calls that a rule, or the check of their origin, refused.", "route")
SESSIONS_LIVE = _highest("sessions_live", "Sessions that live in the store.")
SESSIONS_CREATED = _counter("sessions_created", "Sessions that began.")
SESSIONS_ENDED = _counter("sessions_ended", "Sessions that were ended; those that ran out are not seen.", "reason")
SESSIONS_ELSEWHERE = _counter(
    "sessions_elsewhere", "Sessions seen from another browser or network, once a minute each.", "reason", "outcome"
)

# ── cache and store ──────────────────────────────────────────────────────────────────────────────────────
CACHE_HITS = _counter("session_cache_hits", "Requests whose session the worker knew.")
CACHE_MISSES = _counter("session_cache_misses", "Requests whose session was read from the store.")
INVALIDATIONS = _counter("session_cache_invalidations", "Sessions that a push made the worker drop or read again.")
PUSHED_WORKERS = _gauge("store_push_workers", "Workers that hear of changes to sessions.")
STORE_SECONDS = _seconds("store_request_duration", "One call to the session store.", "operation", buckets=_QUICK)
STORE_ERRORS = _counter("store_errors", "Calls that the session store did not answer.", "operation")

# ── issuer ───────────────────────────────────────────────────────────────────────────────────────────────
ISSUER_SECONDS = _seconds("issuer_request_duration", "One exchange with the issuer.", "operation")
ISSUER_ERRORS = _counter("issuer_errors", "Exchanges without an answer, or with an error.", "operation", "reason")
ISSUER_KEYS_AT = _highest("issuer_keys_fetched_timestamp_seconds", "When the issuer's keys were last read.")

# ── the server ───────────────────────────────────────────────────────────────────────────────────────────
WORKERS = _gauge("workers", "Workers that live.")
WORKER_STARTS = _counter("worker_starts", "Workers that have begun, those in the place of others among them.")
KEYS = _highest("keys", "Keys that open what was sealed.")
KEY_WRITTEN_AT = _highest("key_written_timestamp_seconds", "When the newest key file was written.")
CERTIFICATE_ENDS_AT = _highest(
    "certificate_expiry_timestamp_seconds", "When a certificate of a route's [api.tls] ends.", "route", "use"
)
AUDIT_LOST = _counter("audit_lost_lines", "Audit lines that could not be kept.")
BUILD = _highest("build_info", "Always 1; the labels tell what runs.", "version", "python")

CATALOG: Mapping[str, Family] = {
    value.name: value for value in list(globals().values()) if isinstance(value, Family)
}

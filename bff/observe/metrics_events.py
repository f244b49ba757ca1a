"""Which events are counted, and under which labels. A listener for `bff.events`."""

from collections.abc import Callable, Mapping

from bff.errors import BffError
from bff.observe import metrics_catalog as catalog
from bff.observe.metrics import Metrics

_OTHER = "other"
ENDS_OF_RENEWALS = frozenset({"renewal_refused", "token_rejected"})
# What an issuer may answer a login with: RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6, and step-up's profile.
# It may invent more, and so may a browser in its name.
_PROVIDER_ERRORS = frozenset(
    {
        "provider_error",
        "provider_access_denied",
        "provider_account_selection_required",
        "provider_consent_required",
        "provider_interaction_required",
        "provider_invalid_request",
        "provider_invalid_scope",
        "provider_login_required",
        "provider_server_error",
        "provider_temporarily_unavailable",
        "provider_unauthorized_client",
        "provider_unmet_authentication_requirements",
        "provider_unsupported_response_type",
    }
)
# Why a login may fail by our own word, and by the issuer's.
LOGIN_REASONS = _PROVIDER_ERRORS | {
    "already_used",
    "expired",
    "issuer_mismatch",
    "issuer_missing",
    "logged_out_meanwhile",
    "malformed",
    "no_attempt",
    "no_code",
    "nonce_mismatch",
    "nonce_missing",
    "provider_other",
    "repeated_parameter",
    "state_mismatch",
    "too_many_sessions",
}


def counting_events(metrics: Metrics) -> Callable[[str, Mapping[str, object]], None]:
    """Return the listener."""
    codes = codes_of(BffError) | ENDS_OF_RENEWALS

    def record(name: str, fields: Mapping[str, object]) -> None:
        match name:
            case "login.done":
                metrics.count(catalog.LOGINS)
            case "login.failed":
                metrics.count(catalog.LOGIN_FAILURES, login_reason(str(fields.get("reason"))))
            case "renewal.refused" | "renewal.postponed":
                reason = str(fields.get("code", fields.get("reason")))
                metrics.count(catalog.RENEWAL_FAILURES, reason if reason in codes else _OTHER)
            case "renewal.waited":
                seconds = fields.get("seconds")
                if isinstance(seconds, int | float):
                    metrics.observe(catalog.RENEWAL_WAIT_SECONDS, seconds)
            case "access.denied":
                metrics.count(catalog.DENIALS, str(fields.get("route")))
            case "session.elsewhere":
                metrics.count(catalog.SESSIONS_ELSEWHERE, str(fields.get("reason")), str(fields.get("outcome")))
            case "upstream.ejected":
                metrics.count(catalog.EJECTIONS, str(fields.get("route")), str(fields.get("upstream")))
            case _:
                return

    return record


def login_reason(reason: str) -> str:
    """Return a reason as it may stand in a label: all of our own, and of the issuer's those that are standard."""
    return reason if not reason.startswith("provider_") or reason in _PROVIDER_ERRORS else "provider_other"


def codes_of(root: type[BffError]) -> frozenset[str]:
    """Return the codes of an error and of all its kinds."""
    found = {root.code}
    for kind in root.__subclasses__():
        found |= codes_of(kind)
    return frozenset(found)

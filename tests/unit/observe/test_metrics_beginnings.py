"""What is known beforehand of labels is what the code counts under: none is forgotten, none is made up."""

import re
from pathlib import Path

from bff.assembly.metrics_zeros import begin_at_nought
from bff.observe.metrics import Metrics
from bff.observe.metrics_events import LOGIN_REASONS

ROOT = Path(__file__).parents[3] / "bff"


def begun(name: str, at: int = 0) -> set[str]:
    """The values of a label of a counter, before anything has happened."""
    metrics = Metrics()
    begin_at_nought(metrics, [("/api", ["http://a", "http://b"])])
    return {number.labels[at] for number in metrics.snapshot().counters if number.name == name}


def written(pattern: str, *paths: Path) -> set[str]:
    """What a pattern finds in the code."""
    return {found for path in paths for found in re.findall(pattern, path.read_text(encoding="utf-8"))}


def test_every_call_to_the_store_begins():
    """Those that are timed, and no others."""
    assert written(r'_timed\("(\w+)"', ROOT / "assembly/metrics_store.py") == begun("bff_store_errors_total")


def test_every_exchange_with_the_issuer_begins():
    """What the transport names by itself, and the grants that there are; each with every way to fail."""
    named = written(r'"(discovery|keys|userinfo|revocation)"', ROOT / "oidc/transport.py")

    assert named | {"authorization_code", "refresh_token"} == begun("bff_issuer_errors_total")
    assert {"unanswered", "3xx", "4xx", "5xx"} == begun("bff_issuer_errors_total", 1)


def test_every_reason_of_a_failed_login_begins():
    """Those of the code, and those that the specifications give to issuers."""
    reasons = written(r'CallbackRejected\("(\w+)"', *ROOT.rglob("*.py"))

    assert reasons <= LOGIN_REASONS
    assert LOGIN_REASONS == begun("bff_login_failures_total")


def test_every_route_and_every_address_of_several_begins():
    """As the configuration has them."""
    assert {"/api"} == begun("bff_access_denials_total") == begun("bff_upstream_errors_total")
    assert {"http://a", "http://b"} == begun("bff_upstream_ejections_total", 1)

"""Counting in one worker, and adding up what several have counted."""

from pathlib import Path

import pytest

from bff.observe import metrics_catalog as catalog
from bff.observe.metrics import MOST_SERIES, Metrics, Number, Snapshot, Spread, merged
from bff.observe.metrics_catalog import CATALOG
from bff.observe.metrics_events import counting_events
from bff.observe.metrics_slots import Slot
from bff.observe.metrics_text import render


def counters(snapshot: Snapshot, name: str) -> dict[tuple[str, ...], float]:
    return {number.labels: number.value for number in snapshot.counters if number.name == name}


def with_logins(count: int, workers: float = 1) -> Snapshot:
    return Snapshot((Number("bff_logins_total", (), count),), (), (Number("bff_workers", (), workers),))


@pytest.mark.parametrize("family", CATALOG.values(), ids=lambda family: family.name)
def test_names_follow_the_conventions(family: catalog.Family):
    """Counters end in _total, histograms in their base unit, and buckets ascend."""
    assert family.name.startswith("bff_")
    assert family.name.endswith("_total") == (family.kind == "counter")
    assert family.kind != "histogram" or family.name.endswith("_seconds")
    assert list(family.buckets) == sorted(set(family.buckets))
    assert bool(family.buckets) == (family.kind == "histogram")


def test_workers_numbers_are_added_up():
    """Counters, buckets and gauges add up; of a level that all see alike, the greatest counts."""
    buckets = (1,) * (len(catalog.RENEWAL_SECONDS.buckets) + 1)
    each = [
        Snapshot(
            (Number("bff_logins_total", (), count),),
            (Spread("bff_renewal_duration_seconds", (), buckets, 0.5),),
            (Number("bff_workers", (), 1), Number("bff_keys", (), count)),
        )
        for count in (2, 3)
    ]

    assert Snapshot(
        (Number("bff_logins_total", (), 5),),
        (Spread("bff_renewal_duration_seconds", (), tuple(2 * number for number in buckets), 1.0),),
        (Number("bff_workers", (), 2), Number("bff_keys", (), 3)),
    ) == merged(each)


def test_numbers_of_another_version_are_passed_over():
    """A worker that a reload has replaced may have known other metrics and other buckets."""
    foreign = Snapshot(
        (Number("bff_gone_total", (), 1),),
        (Spread("bff_renewal_duration_seconds", (), (1, 2), 1.0), Spread("bff_gone_seconds", (), (1,), 1.0)),
        (Number("bff_gone", (), 1),),
    )

    assert with_logins(1) == merged([foreign, with_logins(1)])


def test_labels_stay_bounded():
    """Whatever ends up in a label, the series do not grow without end, and nothing is lost from the sum."""
    metrics = Metrics()
    for number in range(MOST_SERIES + 50):
        metrics.count(catalog.DENIALS, f"/{number}")

    found = counters(metrics.snapshot(), catalog.DENIALS.name)
    assert MOST_SERIES + 1 == len(found)
    assert 50 == found["other",]


def test_text_is_what_prometheus_reads():
    """Buckets are cumulative, labels are escaped, and what never happened is zero where it can be."""
    metrics = Metrics()
    metrics.count(catalog.DENIALS, 'a"b\n')
    metrics.observe(catalog.RENEWAL_SECONDS, 0.02)
    metrics.observe(catalog.RENEWAL_SECONDS, 99.0)

    body, media_type = render(metrics.snapshot(), "")

    lines = body.decode().splitlines()
    assert "text/plain; version=0.0.4; charset=utf-8" == media_type
    assert 'bff_access_denials_total{route="a\\"b\\n"} 1.0' in lines
    assert 'bff_renewal_duration_seconds_bucket{le="0.01"} 0.0' in lines
    assert 'bff_renewal_duration_seconds_bucket{le="0.025"} 1.0' in lines
    assert 'bff_renewal_duration_seconds_bucket{le="+Inf"} 2.0' in lines
    assert "bff_renewal_duration_seconds_count 2.0" in lines
    assert "bff_logins_total 0.0" in lines


def test_openmetrics_is_spoken_to_who_asks_for_it():
    """By the Accept header, as Prometheus sends it."""
    body, media_type = render(Metrics().snapshot(), "application/openmetrics-text; version=1.0.0,text/plain;q=0.5")

    assert media_type.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")


def test_slot_of_a_dead_worker_is_taken_over(tmp_path: Path):
    """The successor counts on, so that no counter falls; what the dead one held does not live on."""
    first = Slot(tmp_path)
    first.write(with_logins(7))
    first.close()

    second = Slot(tmp_path)

    assert first.number == second.number
    assert Snapshot(with_logins(7).counters) == second.inherited
    second.close()


def test_workers_see_each_other(tmp_path: Path):
    """Of one that lives, everything; of one that died, what it had counted."""
    living, dead, own = Slot(tmp_path), Slot(tmp_path), Slot(tmp_path)
    living.write(with_logins(1))
    dead.write(with_logins(2))
    own.write(with_logins(4))
    dead.close()

    total = merged([with_logins(4), *own.others()])

    assert with_logins(7, workers=2) == total
    assert [0, 1, 2] == [living.number, dead.number, own.number]
    living.close()
    own.close()


def test_unreadable_numbers_are_taken_for_none(tmp_path: Path):
    """What another version left must not keep this one from counting."""
    (tmp_path / "0.numbers").write_bytes(b"\xc1 what is this")

    slot = Slot(tmp_path)

    assert Snapshot() == slot.inherited
    slot.close()


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("login.done", {"subject": "alice"}, ("bff_logins_total", ())),
        ("login.failed", {"reason": "state_mismatch"}, ("bff_login_failures_total", ("state_mismatch",))),
        ("login.failed", {"reason": "provider_error"}, ("bff_login_failures_total", ("provider_error",))),
        ("login.failed", {"reason": "provider_i_made_this_up"}, ("bff_login_failures_total", ("provider_other",))),
        ("renewal.refused", {"reason": "renewal_refused"}, ("bff_renewal_failures_total", ("renewal_refused",))),
        ("renewal.postponed", {"code": "internal_error"}, ("bff_renewal_failures_total", ("internal_error",))),
        ("renewal.postponed", {"code": "alice@example.com"}, ("bff_renewal_failures_total", ("other",))),
        ("access.denied", {"route": "/api", "subject": "alice"}, ("bff_access_denials_total", ("/api",))),
        ("upstream.ejected", {"route": "/api", "upstream": "http://a"}, ("bff_upstream_ejections_total", ("/api", "http://a"))),
    ],
)  # fmt: skip
def test_events_are_counted(name: str, fields: dict[str, object], expected: tuple[str, tuple[str, ...]]):
    """Each under its reason, which is one of ours or a standard one, and never under anybody's name."""
    metrics = Metrics()
    counting_events(metrics)(name, fields)

    counted = {(number.name, number.labels) for number in metrics.snapshot().counters if number.value}
    assert {expected} == counted


def test_waiting_for_a_renewal_is_measured():
    """In seconds, as the event says."""
    metrics = Metrics()
    counting_events(metrics)("renewal.waited", {"session": "s", "seconds": 0.3})

    found = next(each for each in metrics.snapshot().histograms if each.name == "bff_renewal_wait_duration_seconds")
    assert (0.3, 1) == (found.total, sum(found.buckets))

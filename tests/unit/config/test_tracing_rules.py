"""`[tracing]`: a collector's address, and the extra that it takes."""

import pytest

from bff.config import tracing_rules
from tests.unit.config.conftest import VALID


def text(*lines):
    """A whole file with these lines in `[tracing]`."""
    return VALID + "\n[tracing]\n" + "\n".join(lines) + "\n"


def test_tracing_without_its_extra_stops_the_start(disk, monkeypatch):
    """With the command that installs it; switched off, nothing is asked of anybody."""
    monkeypatch.setattr(tracing_rules, "is_installed", lambda: False)

    assert [
        (
            "error",
            "bff.toml:13",
            "tracing.enabled",
            "needs OpenTelemetry, which is not installed",
            "install the extra: pip install 'bff[otel]'",
        )
    ] == disk.complaints(text("enabled = true"))
    assert [] == disk.complaints(text("enabled = false"))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
        ("https://otlp.example.com/tenant/", "https://otlp.example.com/tenant"),
        ("http://collector:4318/v1/traces", "http://collector:4318"),
    ],
)
def test_collector_is_named_by_its_base_address(disk, written, read):
    """With the path of the signal or without."""
    assert read == disk.settings(text("enabled = true", f'endpoint = "{written}"')).tracing.endpoint


@pytest.mark.parametrize(
    "written", ["collector:4318", "grpc://collector:4317", "http://u:p@collector", "http://c/?a=b"]
)
def test_what_is_no_address_of_a_collector_is_refused(disk, written):
    """And never quoted, for it may hold a password."""
    (finding,) = disk.complaints(text("enabled = true", f'endpoint = "{written}"'))

    assert ("error", "tracing.endpoint") == (finding[0], finding[2])
    assert "u:p" not in repr(finding)


def test_credentials_for_the_collector_are_secrets(disk):
    """From the environment or a file; in the configuration they are worth a warning."""
    disk.environ["COLLECTOR_TOKEN"] = "Bearer abc"
    found = disk.settings(
        text("enabled = true", 'headers = { authorization = { env = "COLLECTOR_TOKEN" } }')
    ).tracing

    assert "Bearer abc" == found.headers["authorization"].reveal()
    assert "Bearer abc" not in repr(found)


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("http://collector:4318", ["sends tracing.headers in the clear"]),
        ("http://127.0.0.1:4318", []),
        ("https://collector:4318", []),
    ],
)
def test_credentials_that_cross_a_network_in_the_clear_are_worth_a_warning(disk, endpoint, said):
    """OWASP ASVS 12.3.1. A collector without credentials may be asked as it likes."""
    disk.environ["COLLECTOR_TOKEN"] = "Bearer abc"
    headers = 'headers = { authorization = { env = "COLLECTOR_TOKEN" } }'
    found = disk.complaints(text("enabled = true", f'endpoint = "{endpoint}"', headers))

    assert [("warning", "tracing.endpoint", each) for each in said] == [(f[0], f[2], f[3]) for f in found]
    assert [] == disk.complaints(text("enabled = true", f'endpoint = "{endpoint}"'))


@pytest.mark.parametrize("sample", ["-0.1", "1.1", '"all"'])
def test_sample_is_a_fraction(disk, sample):
    """From none to all."""
    assert ["tracing.sample"] == [finding[2] for finding in disk.complaints(text(f"sample = {sample}"))]

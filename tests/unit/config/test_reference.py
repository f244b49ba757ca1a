"""The reference in docs/configuration.md and the settings say the same, in both directions."""

import dataclasses
import re
import tomllib
from dataclasses import MISSING
from pathlib import Path

import pytest

from bff.config import settings as shapes
from bff.config.kinds import default_of, kinds_of
from bff.config.readers import READERS
from bff.config.reading import Reading
from bff.config.secret_sources import SecretSources
from bff.config.settings import Settings
from bff.config.sources import Sources
from bff.crypto.key_ring import new_key

REFERENCE = Path(__file__).parents[3] / "docs" / "configuration.md"
HEADINGS = {
    "Top level": ("", shapes.Settings),
    "`[server]`": ("server", shapes.ServerSettings),
    "`[oidc]`": ("oidc", shapes.OidcSettings),
    "`[session]`": ("session", shapes.SessionSettings),
    "`[keys]`": ("keys", shapes.KeysSettings),
    "`[tokens]`": ("tokens", shapes.TokensSettings),
    "`[roles]`": ("roles", shapes.RolesSettings),
    "`[[api]]`": ("api", shapes.ApiSettings),
    "`allow` in `[[api]]`": ("allow", shapes.AllowSettings),
    "`tls` in `[[api]]`": ("tls", shapes.TlsSettings),
    "`health` in `[[api]]`": ("health", shapes.HealthSettings),
    "`request_headers` in `[[api]]`": ("request_headers", shapes.RequestHeaderSettings),
    "`response_headers` in `[[api]]`": ("response_headers", shapes.ResponseHeaderSettings),
    "`cors` in `[[api]]`": ("cors", shapes.CorsSettings),
    "`[gateway]`": ("gateway", shapes.GatewaySettings),
    "`[limits]`": ("limits", shapes.LimitsSettings),
    "`[spa]`": ("spa", shapes.SpaSettings),
    "`[audit]`": ("audit", shapes.AuditSettings),
    "`[admin]`": ("admin", shapes.AdminSettings),
    "`[review]`": ("review", shapes.ReviewSettings),
    "`[log]`": ("log", shapes.LogSettings),
    "`[metrics]`": ("metrics", shapes.MetricsSettings),
    "`[tracing]`": ("tracing", shapes.TracingSettings),
}
NESTED = {"allow", "tls", "health", "request_headers", "response_headers", "cors"}  # tables within `[[api]]`
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (required|none|`.+?`) \| (.+) \|$", re.MULTILINE)


def chapters():
    """Each chapter of the reference that is about a table, by its heading."""
    parts = re.split(r"^#{2,3} (.+)$", REFERENCE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {heading: text for heading, text in zip(parts[1::2], parts[2::2], strict=True) if heading in HEADINGS}


def rows(heading):
    """Key to documented default."""
    return {key: default for key, _, default, _ in ROW.findall(chapters()[heading])}


def default_in_reference(spec, kind, written):
    """What a reader of the reference would expect the default to be, as the settings hold it."""
    if written in {"required", "none"}:
        return MISSING if written == "required" else None
    value = tomllib.loads(f"key = {written.strip('`')}")["key"]
    reading = Reading(Sources("reference", {}, {}), SecretSources({}, Path()))
    return reading._value(kind, value, (spec.name,))


def is_table(kind):
    return (kind.entry or kind).table is not None


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_reference_has_exactly_the_keys_that_there_are(heading):
    """Every key is documented, no documented key is made up, and they come in the same order."""
    _, table = HEADINGS[heading]
    nested = NESTED if heading == "`[[api]]`" else set()
    expected = [name for name, kind in kinds_of(table).items() if not is_table(kind) or name in nested]

    assert expected == list(rows(heading))


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_reference_has_the_defaults_that_there_are(heading):
    """Every documented default, read as the file is read, is the default of the settings."""
    _, table = HEADINGS[heading]
    documented, kinds = rows(heading), kinds_of(table)
    specs = {spec.name: spec for spec in dataclasses.fields(table) if spec.name in documented}
    expected = {name: default_of(spec) for name, spec in specs.items()}
    if heading == "`[keys]`":
        expected["secrets"] = MISSING  # empty by its type, demanded by a rule

    assert expected == {
        name: default_in_reference(spec, kinds[name], documented[name]) for name, spec in specs.items()
    }


def test_every_table_has_its_chapter():
    """A new table of the settings needs a chapter."""
    tables = {name for name, kind in kinds_of(Settings).items() if is_table(kind)}

    assert tables | {"", *NESTED} == {name for name, _ in HEADINGS.values()}
    assert list(HEADINGS) == list(chapters())


def examples():
    """Every TOML example of the reference."""
    return re.findall(r"```toml\n(.+?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", examples())
def test_every_example_loads(disk, example):
    """An example is a whole file, or a table that fits into the smallest one."""
    smallest = examples()[0]
    disk.environ["SESSION_STORE_URL"] = "redis://:password@cache"
    disk.environ["COLLECTOR_TOKEN"] = "Bearer x"
    disk.write("client-key.pem", "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n")
    disk.write("bff.keys", new_key())
    disk.write("admin.token", new_key())
    disk.write("gateway.secret", new_key())
    header = example.split("\n", 1)[0]
    if example != smallest:
        without = re.sub(rf"{re.escape(header)}\n.*?(\n\n|\Z)", "", smallest, flags=re.DOTALL)
        example = f"{without}\n{example}"

    assert [] == disk.complaints(example)


def test_every_marker_of_the_settings_has_its_reader():
    """A marker that no reader is known for would only fail when the key is used."""
    secret_markers = {"", "keys", "private key", "store", "operator token", "certificates"}
    markers = {
        inner.marker
        for _, table in HEADINGS.values()
        for kind in kinds_of(table).values()
        for inner in (kind, kind.entry or kind)
    }

    assert set(READERS) == markers - secret_markers

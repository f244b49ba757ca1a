"""`make sbom` writes a valid bill of materials, of everything that an installation brings and nothing else."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.processes import ROOT


def written(folder: Path) -> str:
    """The bill, as `make sbom` has it written, for a time that is given."""
    target = folder / "build" / "bff.cdx.json"
    (command,) = (line for line in (ROOT / "Makefile").read_text().splitlines() if ".ci/sbom.py" in line)
    assert command.endswith("$(PY) .ci/sbom.py build/bff.cdx.json")
    subprocess.run(
        [sys.executable, ".ci/sbom.py", target],
        cwd=ROOT,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"},
        check=True,
    )
    return target.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("sbom"))


def components(bill: str) -> dict[str, dict[str, Any]]:
    """By their package URLs."""
    return {each["purl"]: each for each in json.loads(bill)["components"]}


def test_it_is_valid_by_the_schema(bill: str):
    """CycloneDX 1.6, strictly: no field that the schema does not know."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    assert ("CycloneDX", "1.6") == (json.loads(bill)["bomFormat"], json.loads(bill)["specVersion"])


def test_it_names_every_locked_package_with_its_hashes(bill: str):
    """What the image installs with `--require-hashes`, version by version."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE)
    of_python = {url: each for url, each in components(bill).items() if url.startswith("pkg:pypi/")}

    assert {f"pkg:pypi/{name}@{version}" for name, version in locked} == set(of_python)
    assert set(re.findall(r"sha256:(\w+)", lock)) == {
        found["content"] for each in of_python.values() for found in each["hashes"]
    }


def test_it_names_what_the_console_is_made_of(bill: str):
    """The packages whose code is in the built files; no tool of the build."""
    of_npm = [each for url, each in components(bill).items() if url.startswith("pkg:npm/")]
    direct = json.loads((ROOT / "bff/web/console/package.json").read_text())["dependencies"]

    assert set(direct) <= {each["name"] for each in of_npm}
    assert set() == {"vite", "typescript", "vitest"} & {each["name"] for each in of_npm}
    assert all(each["licenses"] and each["hashes"] for each in of_npm)


def test_it_is_of_this_version_and_leads_to_what_it_asks_for(bill: str):
    """The root's dependencies are those of pyproject.toml and the console."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    document = json.loads(bill)
    root = document["metadata"]["component"]
    (direct,) = (each["dependsOn"] for each in document["dependencies"] if each["ref"] == root["bom-ref"])

    assert (project["name"], project["version"]) == (root["name"], root["version"])
    asked = {re.match(r"[\w.-]+", each)[0] for each in project["dependencies"]}  # type: ignore[index]
    assert asked | {"react", "react-dom", "scheduler"} == {re.split("[/@]", url)[1] for url in direct}


def test_the_same_source_makes_the_same_bill(bill: str, tmp_path: Path):
    """So that whoever distrusts it can make it again."""
    assert bill == written(tmp_path)

"""Writes the bill of materials of a release: `sbom.py FILE`, CycloneDX 1.6 in JSON.

In it is what an installation brings: the Python packages of requirements.lock, and the npm packages of which the
console's files are made, each with version, package URL and hashes. All of it is from files under version control,
so that the same source makes the same bill; SOURCE_DATE_EPOCH sets its time.
"""

import base64
import json
import os
import re
import sys
import time
import tomllib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parents[1]
_LOCKED = re.compile(r"^([\w.-]+)==(\S+)(?: ; (.+?))? \\\n((?:    --hash=sha256:\w+(?: \\)?\n)+)", re.MULTILINE)
_HASH = re.compile(r"sha256:(\w+)")
_NAME = re.compile(r"[\w.-]+")
_OURS = uuid.UUID("5f7c1c3e-6f0b-4b0e-9a53-0c3c8f0f0b0f")  # what serial numbers are derived from; any will do


def main(target: Path) -> int:
    """Write the bill, once it is valid by the schema; 0, or 1 with what is wrong with it."""
    text = bill_of_materials(datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())), UTC))
    mistake = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if mistake is not None:
        print(mistake, file=sys.stderr)
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return 0


def bill_of_materials(made_at: datetime) -> str:
    """Return the document."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bom = Bom()
    bom.metadata.timestamp = made_at
    bom.metadata.component = root = Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.APPLICATION,
        description=project["description"],
        licenses=[DisjunctiveLicense(id=project["license"])],
        purl=PackageURL("pypi", None, project["name"], project["version"]),
        bom_ref=f"pkg:pypi/{project['name']}@{project['version']}",
    )
    packages = [*_python_packages(), *_npm_packages()]
    bom.components.update(packages)
    asked_for = {_normal(_NAME.match(each)[0]) for each in project["dependencies"]}
    direct = [each for each in packages if each.purl.type == "npm" or _normal(each.name) in asked_for]
    bom.register_dependency(root, direct)
    known = "\n".join(sorted(str(each.bom_ref) for each in (root, *packages)))
    bom.serial_number = uuid.uuid5(_OURS, f"{known}\n{made_at.timestamp()}")
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _python_packages() -> Iterator[Component]:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for name, version, marker, hashes in _LOCKED.findall(lock):
        url = PackageURL("pypi", None, name, version)
        yield Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            purl=url,
            bom_ref=str(url),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in _HASH.findall(hashes)],
            # On which machines and Pythons it is installed (PEP 508); without it: on all.
            properties=[Property(name="bff:environment-marker", value=marker)] if marker else [],
        )


def _npm_packages() -> Iterator[Component]:
    """Yield what the console's built files hold of others; tools that build them are left out."""
    lock = json.loads((ROOT / "bff/web/console/package-lock.json").read_text(encoding="utf-8"))
    for path, package in lock["packages"].items():
        if not path or package.get("dev") or package.get("devOptional") or package.get("optional"):
            continue
        url = PackageURL("npm", None, path.removeprefix("node_modules/"), package["version"])
        algorithm, _, digest = package["integrity"].partition("-")
        assert algorithm == "sha512", package["integrity"]
        yield Component(
            name=url.name,
            version=package["version"],
            type=ComponentType.LIBRARY,
            purl=url,
            bom_ref=str(url),
            licenses=[DisjunctiveLicense(id=package["license"])],
            hashes=[HashType(alg=HashAlgorithm.SHA_512, content=base64.b64decode(digest).hex())],
        )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

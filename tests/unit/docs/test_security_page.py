"""Every attack on the page about security has a defence, and a test that proves it."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ATTACKS = PAGE.partition("## Attacks and answers\n")[2].partition("\n## ")[0]
ROWS = [line for line in ATTACKS.splitlines() if line.startswith("| ") and not line.startswith("| attack")]
_TEST = re.compile(r"`(test_\w+)`")


@cache
def known() -> frozenset[str]:
    """The names of all tests."""
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py")]
    return frozenset(
        name for text in texts for name in re.findall(r"^\s*(?:async )?def (test_\w+)", text, re.MULTILINE)
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split(" | ")[0].removeprefix("| ")[:60])
def test_attack_has_a_defence_and_a_proof(row: str):
    """Three columns, the last with at least one test, each of which there is."""
    attack, defence, proof = row.removeprefix("| ").removesuffix(" |").split(" | ")
    named = _TEST.findall(proof)

    assert attack
    assert defence
    assert named
    assert [] == [name for name in named if name not in known()]


def test_every_part_of_the_page_has_its_table():
    """What can be attacked: the browser, other sites, the login, tokens, sessions, operators, APIs."""
    parts = re.findall(r"^### (.+)$", ATTACKS, re.MULTILINE)

    assert len(parts) >= 7
    assert len(ROWS) > 45
    for part in parts:
        assert "\n|---|---|---|\n" in ATTACKS.partition(f"### {part}\n")[2].split("\n### ")[0]

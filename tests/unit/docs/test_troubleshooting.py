"""Every error code has a section that helps: why it comes, what people see, and what to do."""

import re
from pathlib import Path

import pytest

from tests.unit.test_errors_page import BY_CODE, sections

PARTS = ("**Why.** ", "**Seen as.** ", "**What to do.** ")
CLIENT = Path(__file__).parents[3] / "frontend_example/src/bff-client/problem.ts"


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_section_says_why_what_is_seen_and_what_to_do(code: str):
    """Three paragraphs that begin with these words, each once and in this order, with a sentence in each."""
    text = sections()[code]
    found = [part for part in re.findall(r"^\*\*[\w ]+\.\*\* ", text, re.MULTILINE) if part in PARTS]

    assert list(PARTS) == found, f"`{code}` in docs/errors.md: paragraphs beginning with {', '.join(PARTS)}"
    for told in re.split("|".join(map(re.escape, PARTS)), text)[1:]:
        assert len(told.split()) >= 2
        assert told.strip().endswith((".", "|", ".)"))


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_section_begins_with_what_happened(code: str):
    """In a sentence after the status, for somebody who has only the code."""
    first = sections()[code].strip().split("\n\n")[0]

    assert not first.startswith("**")
    assert re.fullmatch(r"\d{3}(?:,? with `Retry-After`)?\. .+\.", first, re.DOTALL)


def test_the_client_completes_no_code_that_does_not_exist():
    """What an editor offers for `code` are codes that bff has."""
    union = CLIENT.read_text(encoding="utf-8").partition("type BffProblemCode =")[2].partition(";")[0]
    offered = set(re.findall(r'"(\w+)"', union))

    assert len(offered) > 10
    assert set() == offered - set(BY_CODE)

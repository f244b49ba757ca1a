"""Sequence diagrams in Mermaid's language become pictures that load nothing."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from documentation.diagrams import NotDrawn, sequence_diagram

DOCS = Path(__file__).parents[3] / "docs"
SMALL = """
sequenceDiagram
    participant A as browser <x>
    participant B as bff
    A->>B: GET /api
    alt signed in
        B-->>A: 200
    else signed out
        B-->>A: 401
    end
    Note over A,B: done
"""


def words(picture: str) -> list[str]:
    return [text.text or "" for text in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


def test_every_word_of_a_diagram_is_in_its_picture():
    """Escaped, and in order from top to bottom."""
    assert ["browser <x>", "bff", "GET /api", "200", "signed in", "401", "signed out", "done"] == words(
        sequence_diagram(SMALL)
    )


def test_arrows_have_a_side_to_go_to_and_answers_are_dashed():
    """Two of three go back."""
    paths = re.findall(r'<path class="arrow" d="M(\d+) \d+H(\d+)"( stroke-dasharray)?', sequence_diagram(SMALL))

    assert [(True, False), (False, True), (False, True)] == [
        (int(start) < int(end), bool(dashed)) for start, end, dashed in paths
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        "flowchart LR\n a --> b",
        "sequenceDiagram\n rect rgb(1,2,3)",
        "sequenceDiagram\n alt x\n A->>B: y",
        "sequenceDiagram\n end",
    ],
)
def test_what_is_not_understood_is_refused(wrong: str):
    """Rather than left out of the picture."""
    with pytest.raises(NotDrawn):
        sequence_diagram(wrong)


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_every_diagram_of_a_page_can_be_drawn(page: Path):
    """All its words among them."""
    for body in re.findall(r"^```mermaid\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        told = words(sequence_diagram(body))

        assert [] == [label for label in re.findall(r"^.*?>>\w+: (.+)$", body, re.MULTILINE) if label not in told]

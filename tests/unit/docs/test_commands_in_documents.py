"""What the documents tell people to type is there: commands of ours with their options, and targets of make."""

import re
from pathlib import Path

import click
import pytest

from bff.cli import COMMANDS, main

ROOT = Path(__file__).parents[3]
DOCUMENTS = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "frontend_example/README.md")
    ),
]
# Blocks of the shell, and what stands between backticks: prose may begin a line with the same words.
_CODE = re.compile(r"^```(?:sh)?\n(.*?)^```$|(?<!`)`([^`\n]+)`(?!`)", re.MULTILINE | re.DOTALL)
_OURS = re.compile(rf"(?:^|&& |/)bff ((?:{'|'.join(COMMANDS)})\b[^#|>\n]*)", re.MULTILINE)
_MAKE = re.compile(r"^make ([a-z][a-z. -]*)", re.MULTILINE)


def _typed(pattern: re.Pattern[str], document: Path) -> list[str]:
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    code = "\n".join(block or inline for block, inline in _CODE.findall(text))
    return [found.group(1) for found in pattern.finditer(code)]


def _unknown(line: str) -> list[str]:
    """Words of a command line that no command and no option of it answers to."""
    command: click.Command = main
    words = line.split()
    while words and isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            return [words[0]]
        command = found
        words.pop(0)
    options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"-h", "--help"}
    given = [word.strip("[]…,.);").partition("=")[0] for word in words]
    return [word for word in given if word.startswith("-") and word not in options]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_that_are_printed_exist(document: Path):
    """Each with each of its options."""
    assert {} == {line: unknown for line in _typed(_OURS, document) if (unknown := _unknown(line))}


def test_what_is_looked_for_is_found():
    """The test above would be content with a pattern that finds nothing."""
    readme = ROOT / "README.md"

    assert {"run", "check", "doctor"} <= {line.strip() for line in _typed(_OURS, readme)}
    assert {"demo", "docs"} <= {line.strip() for line in _typed(_MAKE, readme)}
    assert ["--workrs"] == _unknown("run --workrs 2 -c bff.toml")
    assert ["lst"] == _unknown("sessions lst")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_targets_of_make_that_are_printed_exist(document: Path):
    """None is named that the Makefile has not."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][\w.-]*):", makefile, re.MULTILINE))

    assert {"demo", "test", "docs"} <= targets
    assert set() == {word for line in _typed(_MAKE, document) for word in line.split()} - targets

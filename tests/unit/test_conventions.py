"""How the code is written: small modules, documented names, and no word about how it came to be."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "bff").rglob("*.py"))
NAMES = [path.relative_to(ROOT).as_posix() for path in MODULES]
LONGEST = 300  # lines
# The one module that knows every room, and the one tree of errors: a list, with nothing in it to get lost in.
LONGER = {"bff/app.py": 320, "bff/errors.py": 400}
VAGUE = re.compile(r"(?:^|_)(?:utils?|helpers?|managers?|misc|common)(?:_|$)")
# Where a text speaks of the work on the project instead of the project.
OF_THE_WORK = re.compile(
    r"\b(?:issue|ticket|task|pull request|PR|MR) ?#\d+|\bas (?:discussed|requested)\b"
    r"|\b(?:this|our|previous|last) (?:coding )?session of work\b"
    r"|\b[A]I[- ](?:generated|written)|(?-i:\b(?:TODO|FIXME|XXX)\b)",
    re.IGNORECASE,
)


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_modules_are_short(path):
    """One idea a module; the wiring and the tree of errors alone may be longer."""
    lines = len(path.read_text(encoding="utf-8").splitlines())

    assert lines <= LONGER.get(path.relative_to(ROOT).as_posix(), LONGEST)


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_public_names_are_documented(path):
    """Every module, and every public class, function and method of a public class, says what a caller must know."""
    tree = tree_of(path)
    missing = [] if ast.get_docstring(tree) else ["the module"]
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        inside = node.body if isinstance(node, ast.ClassDef) else []
        methods = [
            part
            for part in inside
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and not part.name.startswith("_")
        ]
        missing += [part.name for part in [node, *methods] if not ast.get_docstring(part)]

    assert [] == missing


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_names_say_what_a_thing_is(path):
    """No drawer for odds and ends."""
    named = [node.name for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    snake = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in [path.stem, *named]]

    assert [] == [name for name in snake if VAGUE.search(name)]


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_exception_is_swallowed_unseen(path):
    """A handler that only passes says why, or names the one error that it expects."""
    silent = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})
        )
        and all(isinstance(part, ast.Pass) for part in node.body)
    ]

    assert [] == silent


def texts():
    """Every text of the project that is kept, but for locked versions."""
    try:
        listed = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
        ).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):  # an unpacked source archive
        listed = [
            path.relative_to(ROOT).as_posix()
            for folder in ("bff", "docs", "tests")
            for path in (ROOT / folder).rglob("*.*")
        ]
    wanted = {".py", ".md", ".toml", ".ts", ".tsx", ".mjs", ".html", ".css", ".yml", ".json", ""}
    return [
        ROOT / name
        for name in listed
        if Path(name).suffix in wanted
        and "lock" not in name
        and (ROOT / name).is_file()
        and ROOT / name != Path(__file__)
    ]


def test_texts_speak_of_the_product_alone():
    """No numbers of tickets, no unfinished business, no path of the machine that it was written on."""
    found = []
    for path in texts():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if OF_THE_WORK.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")

    assert [] == found

"""`bff.config` alone reads the environment, so that what configures the server is found in one place."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "bff"
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE / "config"]


def environment_reads(tree):
    """The lines that use `os.environ` other than to set a variable for a child process, or `os.getenv`."""
    written = {
        id(target.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Subscript)
    }
    names = {"environ", "environb", "getenv", "getenvb"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in names and id(node) not in written:
            yield node.lineno
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and names & {alias.name for alias in node.names}
        ):
            yield node.lineno


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_module_reads_the_environment(module):
    """A key of the configuration is the way to make something depend on the environment."""
    assert [] == list(environment_reads(ast.parse(module.read_text(encoding="utf-8"))))


def test_reading_is_told_from_writing():
    """The rule itself sees every way to read, and lets a variable be set for the workers."""
    lines = [
        "import os",
        "os.environ['X'] = '1'",
        "os.environ['X']",
        "os.getenv('X')",
        "from os import environ",
        "os.environ.get('X')",
    ]

    assert [3, 4, 5, 6] == sorted(environment_reads(ast.parse("\n".join(lines))))

"""What was written, and where: the file's tree with the environment and command line laid over it. Pure.

An override is text. It is put into the tree as `Override`, so that the reader of its key can turn it into what the
key takes, and so that a finding can name the variable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bff.config.findings import Finding, Severity
from bff.config.toml_lines import Path

PREFIX = "BFF__"
SECRET_SOURCES = frozenset({"env", "file"})


@dataclass(frozen=True, slots=True, repr=False)
class Override:
    """The text of one environment variable or option. Has no `repr` of its own value: it may be a secret."""

    text: str


@dataclass(slots=True)
class Sources:
    """The tree to read, and what is known about the places of its values."""

    file: str
    tree: dict[str, object]
    lines: Mapping[Path, int]
    overridden: dict[Path, str] = field(default_factory=dict)  # the name of the variable or option

    def place(self, path: Path) -> tuple[str, int | None]:
        """Where the value at this path, or the nearest table around it, was written."""
        prefixes = [path[:length] for length in range(len(path), 0, -1)]
        for prefix in prefixes:
            if prefix in self.overridden:
                return self.overridden[prefix], None
        for prefix in prefixes:
            if prefix in self.lines:
                return self.file, self.lines[prefix]
        return self.file, None

    def is_overridden(self, path: Path) -> bool:
        """Whether the value at this path did not come from the file."""
        return any(path[:length] in self.overridden for length in range(1, len(path) + 1))

    def override(self, name: str, path: Path, text: str) -> Finding | None:
        """Put one override in its place. A finding when the tree has no such place."""
        node: Any = self.tree
        for depth, part in enumerate(path):
            below = _below(path, depth, text)
            is_last = depth == len(path) - 1
            if isinstance(node, list):
                if not isinstance(part, int) or part > len(node):
                    return Finding(
                        Severity.ERROR,
                        name,
                        None,
                        dotted(path[: depth + 1]),
                        f"the array has no such entry: it has {len(node)} before this variable",
                        "a number from 0, without a gap",
                    )
                if part == len(node):
                    node.append(below)
                elif is_last or not isinstance(node[part], dict):
                    node[part] = below
                node = node[part]  # the text, a table, or a new array: never anything that cannot be gone into
            else:
                key = str(part)
                if is_last and key in SECRET_SOURCES and node.keys() <= SECRET_SOURCES:
                    node.clear()  # a secret has one source: the later word replaces the earlier
                if is_last or not isinstance(node.get(key), dict | list):
                    node[key] = below
                node = node[key]
        self.overridden[path] = name
        return None


def _below(path: Path, depth: int, text: str) -> object:
    """What is new at this depth: the text at the end of the path, else what holds the next part."""
    if depth == len(path) - 1:
        return Override(text)
    return [] if isinstance(path[depth + 1], int) else {}


def dotted(path: Path) -> str:
    """`api.0.path`."""
    return ".".join(map(str, path))


def overrides_in(environ: Mapping[str, str]) -> list[tuple[str, Path, str]]:
    """The variables that override keys, as (name, path, text), tables before what is in them."""
    found = []
    for name, text in environ.items():
        if name.startswith(PREFIX) and len(name) > len(PREFIX):
            parts = name.removeprefix(PREFIX).split("__")
            path: Path = tuple(int(part) if part.isascii() and part.isdigit() else part.lower() for part in parts)
            found.append((name, path, text))
    # Numbers sort as numbers: entry 10 comes after entry 9, which it may follow.
    return sorted(found, key=lambda entry: [(isinstance(part, int), part) for part in entry[1]])

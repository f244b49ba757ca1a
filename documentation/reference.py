"""Generates the tables of docs/configuration.md from the settings: the keys, what they take, their defaults.

    python -m documentation.reference           # or `make reference`: writes the page
    python -m documentation.reference --check   # says whether it is as it would be written

What a key means is told by people, in the last column, and kept. A new key gets a row that asks for it.
"""

import dataclasses
import enum
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from bff.config.choices import LOG_LEVELS, PROVIDERS
from bff.config.kinds import Kind, default_of, kinds_of
from bff.config.settings import Settings
from bff.config.value_types import Certificates, Rate, Secret

Rows = list[tuple[str, str, str]]  # key, type, default

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
NOT_TOLD = "What it means is not told yet."
_HEAD = "| Key | Type | Default | Meaning |\n|---|---|---|---|\n"
_TABLE = re.compile(r"^\| Key \| Type \| Default \| Meaning \|\n\|[-|]+\|\n((?:\|.*\|\n)*)", re.MULTILINE)
_ROW = re.compile(r"^\| `(\w+)` \| .+? \| (?:required|none|`.+?`) \| (.*) \|$", re.MULTILINE)
# What people call the values behind a marker of the settings, where they do not call it by the marker.
_WORDS = {
    "positive duration": "duration",
    "count": "whole number",
    "rsa bits": "whole number",
    "ipv4 prefix": "whole number",
    "ipv6 prefix": "whole number",
    "fraction": "number",
    "issuer": "URL",
    "upstream": "URL",
    "collector": "URL",
    "resource": "URI",
    "route path": "path",
    "management address": 'host and port, or `"same"`',
    "provider": ", ".join(f'`"{name}"`' for name in PROVIDERS),
    "log level": ", ".join(f'`"{name}"`' for name in LOG_LEVELS),
    "access token type": '`"any"`, `"at+jwt"`',
    "csrf": 'boolean, `"header"`, `"origin"`, `"off"`',
    "store": "string or secret",
    "claim test": "string",
}
_OWN_NAMES = frozenset({"duration", "size", "rate", "network", "origin", "listen address"})
_PLAIN = {bool: "boolean", int: "whole number", float: "number", str: "string", Secret: "secret"}
# Empty by its type; a rule of its own demands it.
_REQUIRED = frozenset({("keys", "secrets")})


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` compare it; 0 when it is as it should be."""
    before = PAGE.read_text(encoding="utf-8")
    after = generated(before)
    if "--check" in arguments:
        print("as generated" if before == after else f"{PAGE.name} differs: run `make reference`")
        return int(before != after)
    PAGE.write_text(after, encoding="utf-8")
    missing = after.count(NOT_TOLD)
    if missing:
        print(f"{missing} keys of {PAGE.name} ask for what they mean: look for “{NOT_TOLD}”")
    return int(missing > 0)


def generated(page: str) -> str:
    """Return the page with its tables as the settings have them."""
    tables = dict(tables_of_settings())
    first, *chapters = re.split(r"^(?=#{2,3} )", page, flags=re.MULTILINE)
    return first + "".join(_chapter(chapter, tables) for chapter in chapters)


def tables_of_settings() -> Iterator[tuple[str, Rows]]:
    """Yield the headings of the page, each with key, type and default of its rows."""
    yield "Top level", list(_rows("", Settings))
    for name, kind in kinds_of(Settings).items():
        table = (kind.entry or kind).table
        if table is None:
            continue
        heading = f"[[{name}]]" if kind.entry else f"[{name}]"
        yield f"`{heading}`", list(_rows(name, table))
        for inner, inner_kind in kinds_of(table).items():
            inner_table = (inner_kind.entry or inner_kind).table
            if inner_table is not None:
                yield f"`{inner}` in `{heading}`", list(_rows(inner, inner_table))


def _chapter(chapter: str, tables: Mapping[str, Rows]) -> str:
    rows = tables.get(chapter.split("\n", 1)[0].lstrip("# "))
    return chapter if rows is None else _TABLE.sub(lambda found: _table(rows, found[1]), chapter, count=1)


def _rows(home: str, table: type[Any]) -> Iterator[tuple[str, str, str]]:
    kinds = kinds_of(table)
    for spec in dataclasses.fields(table):
        kind = kinds[spec.name]
        if not home and (kind.entry or kind).table is not None:
            continue  # has a chapter of its own
        default = MISSING if (home, spec.name) in _REQUIRED else default_of(spec)
        yield spec.name, _type_of(kind), _default_of(kind, default)


def _table(rows: Rows, written: str) -> str:
    meanings = dict(_ROW.findall(written))
    return _HEAD + "".join(
        f"| `{key}` | {kind} | {default} | {meanings.get(key, NOT_TOLD)} |\n" for key, kind, default in rows
    )


def _type_of(kind: Kind) -> str:
    if kind.entry is not None:
        many = "array" if kind.value_type is tuple else "table"
        return f"{many} of {_plural(kind.entry)}" if _plural(kind.entry) else many
    if kind.table is not None:
        return "table"
    if isinstance(kind.value_type, type) and issubclass(kind.value_type, enum.Enum) and not _WORDS.get(kind.marker):
        return ", ".join(f'`"{member.value}"`' for member in kind.value_type)
    if kind.marker in _WORDS:
        return _WORDS[kind.marker]
    return kind.marker if kind.marker in _OWN_NAMES else _PLAIN.get(kind.value_type, "string")


def _plural(kind: Kind) -> str:
    if kind.marker == "claim test":
        return ""
    if kind.entry is not None:
        return f"{'array' if kind.value_type is tuple else 'table'}s"
    if kind.table is not None:
        return "tables"
    if isinstance(kind.value_type, type) and issubclass(kind.value_type, enum.Enum):
        return "strings"  # which ones, the meaning says
    return f"{_type_of(kind)}s"


def _default_of(kind: Kind, value: object) -> str:
    if value is MISSING or value is None:
        return "required" if value is MISSING else "none"
    return f"`{_toml(kind, value)}`"


def _toml(kind: Kind, value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case enum.Enum():
            return json.dumps(value.value)
        case Secret():
            return json.dumps(value.reveal())
        case Rate():
            return json.dumps(f"{value.amount}/{_duration(value.seconds)}")
        case float() if "duration" in kind.marker:
            return json.dumps(_duration(value))
        case int() if kind.marker == "size":
            return json.dumps(_size(value))
        case int() | float():
            return str(value)
        case str() | Certificates():
            return json.dumps(value)
        case tuple() if kind.value_type is tuple:
            return f"[{', '.join(_toml(kind.entry or kind, each) for each in value)}]"
        case _ if isinstance(value, Mapping) and value:
            inner = (f"{json.dumps(name)} = {_toml(kind.entry or kind, each)}" for name, each in value.items())
            return f"{{ {', '.join(inner)} }}"
        case _:
            return "{}"


def _duration(seconds: float) -> str:
    """Write a duration in the largest unit that leaves no rest; a single minute or day in the smaller one."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        count, rest = divmod(seconds, length)
        if not rest and count >= (1 if unit == "h" else 2):
            return f"{count:.0f}{unit}"
    return f"{seconds:.0f}s" if float(seconds).is_integer() else f"{seconds * 1000:.0f}ms"


def _size(count: int) -> str:
    for unit, length in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count and not count % length:
            return f"{count // length}{unit}"
    return str(count)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""On which line of a TOML text each key stands.

`tomllib` gives values without places. This walks a text that `tomllib` has accepted and only notes lines, so it
may trust the syntax: it skips what it does not need and never has to report an error of its own.
"""

import tomllib
from collections.abc import Mapping

Path = tuple[str | int, ...]

_BARE_END = frozenset(" \t\r\n=.,[]{}#\"'")


def find_lines(text: str) -> Mapping[Path, int]:
    """Map the path of every table, key and array entry to its line from 1. Entries of arrays count from 0."""
    scanner = _Scanner(text)
    scanner.scan()
    return scanner.lines


class _Scanner:
    """A cursor over the text; `table` is the path that the statements below the last header belong to."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.table: Path = ()
        self.lines: dict[Path, int] = {}
        self._entries: dict[Path, int] = {}  # how many [[headers]] each array of tables has had

    def scan(self) -> None:
        while self._skip_blank():
            if self.text.startswith("[[", self.at):
                self._header(2)
            elif self._peek() == "[":
                self._header(1)
            else:
                self._statement(self.table)

    # ── statements ───────────────────────────────────────────────────────────────────────────────────────

    def _header(self, brackets: int) -> None:
        self._advance(brackets)
        *parents, last = self._dotted_key()
        self._advance(brackets)
        path: Path = ()
        for part in parents:
            self._note((*path, part))
            path = self._latest((*path, part))
        path = (*path, last)
        self._note(path)
        if brackets == 2:
            index = self._entries.get(path, 0)
            self._entries[path] = index + 1
            path = (*path, index)
            self._note(path)
        self.table = path

    def _latest(self, path: Path) -> Path:
        """A header that goes through an array of tables means its latest entry (TOML 1.0, array of tables)."""
        return (*path, self._entries[path] - 1) if path in self._entries else path

    def _statement(self, table: Path) -> None:
        path = table
        for part in self._dotted_key():
            path = (*path, part)
            self._note(path)
        self._advance(1)  # the equals sign
        self._value(path)

    def _dotted_key(self) -> list[str]:
        parts = []
        while True:
            self._skip_blank()
            parts.append(self._key_part())
            self._skip_blank()
            if self._peek() != ".":
                return parts
            self._advance(1)

    def _key_part(self) -> str:
        start = self.at
        if self._peek() in {'"', "'"}:
            self._string()
            return str(tomllib.loads(f"key = {self.text[start : self.at]}")["key"])
        self._bare()
        return self.text[start : self.at]

    # ── values ───────────────────────────────────────────────────────────────────────────────────────────

    def _value(self, path: Path) -> None:
        self._skip_blank()
        self._note(path)
        match self._peek():
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                self._string()
            case _:
                self._scalar()

    def _array(self, path: Path) -> None:
        self._advance(1)
        index = 0
        while self._skip_blank() and self._peek() != "]":
            self._value((*path, index))
            index += 1
            self._skip_comma()
        self._advance(1)

    def _inline_table(self, path: Path) -> None:
        self._advance(1)
        while self._skip_blank() and self._peek() != "}":
            self._statement(path)
            self._skip_comma()
        self._advance(1)

    def _skip_comma(self) -> None:
        self._skip_blank()
        if self._peek() == ",":
            self._advance(1)

    def _string(self) -> None:
        quote = self._peek()
        fence = quote * 3 if self.text.startswith(quote * 3, self.at) else quote
        self._advance(len(fence))
        while not self.text.startswith(fence, self.at) and self._peek():
            self._advance(2 if quote == '"' and self._peek() == "\\" else 1)
        self._advance(len(fence))
        while len(fence) == 3 and self._peek() == quote:  # up to two quotes may stand before the closing three
            self._advance(1)

    def _bare(self) -> None:
        while self._peek() and self._peek() not in _BARE_END:
            self._advance(1)

    def _scalar(self) -> None:
        """Skip a number, a boolean or a date: to the comma, bracket, comment or end of line behind it."""
        while self._peek() and self._peek() not in ",]}#\n":
            self._advance(1)

    # ── the cursor ───────────────────────────────────────────────────────────────────────────────────────

    def _note(self, path: Path) -> None:
        self.lines.setdefault(path, self.line)

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _advance(self, count: int) -> None:
        self.line += self.text.count("\n", self.at, self.at + count)
        self.at += count

    def _skip_blank(self) -> bool:
        """Skip white space, newlines and comments. False at the end of the text."""
        while (char := self._peek()) and (char in " \t\r\n" or char == "#"):
            if char == "#":
                end = self.text.find("\n", self.at)
                self._advance((end if end >= 0 else len(self.text)) - self.at)
            else:
                self._advance(1)
        return bool(char)

"""From the tree of a file to settings, by the annotations of `bff.config.settings`. Goes on after every mistake.

A key whose value cannot be used gets its default, or an empty value of its type, and is remembered as broken, so
that the rules about several keys can be asked about everything else.
"""

import dataclasses
import enum
import json
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, dataclass, field
from types import MappingProxyType
from typing import Any

from bff.config.certificates import read_certificates
from bff.config.findings import Finding, Severity
from bff.config.kinds import Kind, default_of, homes_of, kinds_of, stand_in
from bff.config.readers import READERS
from bff.config.secret_reading import read_secret_entry
from bff.config.secret_sources import SecretSources
from bff.config.settings import Csrf, Secret, Settings
from bff.config.sources import Override, Sources, dotted
from bff.config.toml_lines import Path
from bff.config.value_types import Certificates
from bff.config.values import AbsentValue, BadValue, did_you_mean, read_bool, read_choice, read_text, shape_of


@dataclass(slots=True)
class Reading:
    """One pass over the tree: what it finds, and which keys it had to give up.

    Attributes:
        needs: the tables whose secrets must be there; None for all.
    """

    sources: Sources
    secrets: SecretSources
    findings: list[Finding] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)
    needs: Collection[str] | None = None

    def read(self) -> Settings:
        """Read everything. The settings are of use only when no finding is an error."""
        settings = self._table(Settings, self.sources.tree, ())
        assert isinstance(settings, Settings)  # noqa: S101 - `_table` makes what it is asked for
        return settings

    def report(
        self,
        path: Path,
        problem: BadValue,
        severity: Severity = Severity.ERROR,
        place: tuple[str, int | None] | None = None,
    ) -> None:
        """Note what is wrong with a key; an error breaks it. A secret that nobody needs may be absent."""
        if isinstance(problem, AbsentValue) and self.needs is not None and path[0] not in self.needs:
            self.broken.add(path)
            return
        file, line = place if place is not None else self.sources.place(path)
        self.findings.append(
            Finding(severity, file, line, dotted(path), problem.message, problem.expected, problem.hint)
        )
        if severity is Severity.ERROR:
            self.broken.add(path)

    def is_broken(self, path: Path) -> bool:
        """Whether this key, something in it or the table around it could not be read."""
        return any(path[: len(other)] == other[: len(path)] for other in self.broken)

    # ── tables ───────────────────────────────────────────────────────────────────────────────────────────

    def _table(self, table: type[Any], raw: Mapping[str, object], path: Path) -> object:
        kinds = kinds_of(table)
        for key in raw:
            if key not in kinds:
                self.report((*path, key), _unknown_key(key, table))
        return table(**{name: self._field(spec, kinds[name], raw, (*path, name)) for name, spec in _fields(table)})

    def _field(self, spec: Field[Any], kind: Kind, raw: Mapping[str, object], path: Path) -> object:
        if spec.name in raw:
            try:
                return self._value(kind, raw[spec.name], path)
            except BadValue as problem:
                self.report(path, problem)
                return stand_in(spec, kind)
        if (default := default_of(spec)) is not MISSING:
            return default
        if kind.table is not None:
            return self._table(kind.table, {}, path)
        self.report(path, BadValue("is missing", "a value: this key has no default"))
        return stand_in(spec, kind)

    def _value(self, kind: Kind, raw: object, path: Path) -> object:
        if kind.table is not None:
            if not isinstance(raw, dict):
                raise BadValue(f"is {_shape(raw)}", "a table", _as_table(path))
            return self._table(kind.table, raw, path)
        if kind.entry is not None and kind.value_type is Mapping:
            return self._mapping(kind.entry, raw, path)
        if kind.entry is not None:
            return self._array(kind.entry, raw, path)
        if kind.value_type is Secret:
            return self._secrets(kind, raw, path)[0]
        if kind.value_type is Certificates:
            return read_certificates(self.secrets.directory, _plain(raw))
        return read_scalar(kind, raw)

    # ── arrays and maps ──────────────────────────────────────────────────────────────────────────────────

    def _array(self, kind: Kind, raw: object, path: Path) -> tuple[object, ...]:
        of_tables = kind.table is not None
        expected = "an array of tables" if of_tables else "an array"
        if isinstance(raw, Override):
            raw = _split(raw.text, expected)
        if not isinstance(raw, list):
            raise BadValue(f"is {_shape(raw)}", expected, f"write it as [[{_header(path)}]]" if of_tables else "")
        entries: list[object] = []
        for index, value in enumerate(raw):
            here = (*path, index)
            try:
                if kind.value_type is Secret:
                    entries += self._secrets(kind, value, here)
                else:
                    entries.append(self._value(kind, value, here))
            except BadValue as problem:
                self.report(here, problem)
        return tuple(entries)

    def _mapping(self, kind: Kind, raw: object, path: Path) -> Mapping[str, object]:
        expected = 'a table of strings such as { "this" = "that" }'
        if kind.entry is not None:
            expected = 'a table of arrays such as { "this" = ["that"] }'
        elif kind.marker:
            expected = f'a table of {kind.marker}s such as {{ "this" = … }}'
        if isinstance(raw, Override):
            raw = _parse_json(raw.text, "a JSON object of strings")
        if not isinstance(raw, dict):
            raise BadValue(f"is {_shape(raw)}", expected)
        read = {}
        for key, value in raw.items():
            try:
                read[key] = self._value(kind, value, (*path, key))
            except BadValue as problem:
                self.report((*path, key), problem)
        return MappingProxyType(read)

    # ── secrets ──────────────────────────────────────────────────────────────────────────────────────────

    def _secrets(self, kind: Kind, raw: object, path: Path) -> list[Secret]:
        """The secrets of one entry: one, or as many as a key file holds; at least one."""
        entry = read_secret_entry(
            self.secrets, kind.marker, _plain(raw), is_from_file=self._is_from_file(raw, path)
        )
        for warning in entry.warnings:
            self.report(path, warning, Severity.WARNING)
        for line, problem in entry.problems:
            self.report(path, problem, place=(entry.file, line) if entry.file is not None else None)
        return entry.secrets

    def _is_from_file(self, raw: object, path: Path) -> bool:
        return not isinstance(raw, Override) and not self.sources.is_overridden(path)


def read_scalar(kind: Kind, raw: object) -> object:
    """Read one value that is neither a table nor an array nor a secret."""
    value = _typed(raw.text, kind) if isinstance(raw, Override) else _plain(raw)
    if kind.marker:
        return READERS[kind.marker](value)
    if kind.value_type is bool:
        return read_bool(value)
    if issubclass(kind.value_type, enum.StrEnum):
        return kind.value_type(read_choice(value, tuple(kind.value_type)))
    return read_text(value)


def _typed(text: str, kind: Kind) -> object:
    """The text of an override as TOML would have it: true, false and numbers where the key takes them."""
    stripped = text.strip()
    if kind.value_type in {bool, Csrf} and stripped.lower() in {"true", "false"}:
        return stripped.lower() == "true"
    if kind.value_type in {int, float}:
        for number in (int, float):
            try:
                return number(stripped)
            except ValueError:
                continue
    return stripped


def _split(text: str, expected: str) -> object:
    """An array from the environment: JSON when it looks like it, else entries with commas between them."""
    if text.lstrip().startswith("["):
        return _parse_json(text, expected)
    return [Override(entry.strip()) for entry in text.split(",") if entry.strip()]


def _parse_json(text: str, expected: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadValue("is no JSON", expected) from None


def _plain(raw: object) -> object:
    """The same without overrides: their texts in their place."""
    match raw:
        case Override(text):
            return text
        case dict():
            return {key: _plain(value) for key, value in raw.items()}
        case _:
            return raw


def _as_table(path: Path) -> str:
    return "write it as { … }" if isinstance(path[-1], int) else f"write it as [{_header(path)}]"


def _header(path: Path) -> str:
    """A table's name in TOML, where entries of an array have no number: `api.allow`."""
    return ".".join(part for part in path if isinstance(part, str))


def _shape(raw: object) -> str:
    return "a string" if isinstance(raw, Override) else shape_of(raw)


def _fields(table: type[Any]) -> list[tuple[str, Field[Any]]]:
    return [(spec.name, spec) for spec in dataclasses.fields(table)]


def _unknown_key(key: str, table: type[Any]) -> BadValue:
    names = tuple(kinds_of(table))
    hints = ["it belongs " + " or ".join(homes)] if (homes := homes_of(key)) else []
    if suggestion := did_you_mean(key, names):
        hints.append(suggestion)
    return BadValue("unknown key", "one of " + ", ".join(names), "; or ".join(hints))

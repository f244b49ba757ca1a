"""The annotations of `bff.config.settings` taken apart: what each key takes, and what stands in for it. Pure."""

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass
from typing import Any

from bff.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Kind:
    """What a key takes.

    Attributes:
        value_type: the class of the value; `Mapping` for tables with any keys, `tuple` for arrays.
        marker: the second half of `Annotated`, or nothing.
        entry: what the entries of an array, or the values of such a table, are.
    """

    value_type: Any
    marker: str = ""
    entry: "Kind | None" = None

    @property
    def table(self) -> type[Any] | None:
        """The settings class of a table; None for everything else."""
        is_table = isinstance(self.value_type, type) and dataclasses.is_dataclass(self.value_type)
        return self.value_type if is_table else None


def kind_of(annotation: Any) -> Kind:
    """Take apart `Annotated[float, "duration"]`, `X | None`, `tuple[X, ...]` and their kin."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return Kind(arguments[0], arguments[1])
    if origin in {typing.Union, types.UnionType} and types.NoneType in arguments:
        (inner,) = (member for member in arguments if member is not types.NoneType)
        return kind_of(inner)
    if origin is tuple:
        return Kind(tuple, entry=kind_of(arguments[0]))
    if origin is Mapping:
        return Kind(Mapping, entry=kind_of(arguments[1]))
    return Kind(annotation)


def kinds_of(table: type[Any]) -> Mapping[str, Kind]:
    """The keys of a settings class and what they take, in their order."""
    hints = typing.get_type_hints(table, include_extras=True)
    return {spec.name: kind_of(hints[spec.name]) for spec in dataclasses.fields(table)}


def default_of(spec: Field[Any]) -> object:
    """A fresh default, or `MISSING`."""
    return spec.default if spec.default_factory is MISSING else spec.default_factory()


def stand_in(spec: Field[Any], kind: Kind) -> object:
    """What a broken key holds while the rest is read: its default, or something empty of its type."""
    if (default := default_of(spec)) is not MISSING:
        return default
    if (table := kind.table) is None:
        value_type = kind.value_type
        return next(iter(value_type)) if issubclass(value_type, enum.StrEnum) else value_type()
    kinds = kinds_of(table)
    return table(**{inner.name: stand_in(inner, kinds[inner.name]) for inner in dataclasses.fields(table)})


def homes_of(key: str) -> list[str]:
    """Where a key of this name belongs, told for people: `in [session]`, `above the first [table]`."""
    homes = ["above the first [table]"] if key in kinds_of(Settings) else []
    for name, kind in kinds_of(Settings).items():
        table = (kind.entry or kind).table
        if table is not None and key in kinds_of(table):
            homes.append(f"in [[{name}]]" if kind.entry else f"in [{name}]")
    return homes

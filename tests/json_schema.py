"""As much of JSON Schema 2020-12 as our OpenAPI documents use, strict about everything else."""

from collections.abc import Iterator, Mapping
from typing import Any

KNOWN = frozenset(
    {
        "$ref", "additionalProperties", "const", "default", "description", "enum", "examples", "format",
        "items", "maxItems", "maxLength", "maximum", "minItems", "minLength",
        "minimum", "oneOf", "anyOf", "prefixItems", "properties", "required", "title", "type",
    }
)  # fmt: skip
TYPES: Mapping[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


def problems(value: Any, schema: Mapping[str, Any], document: Mapping[str, Any], at: str = "$") -> Iterator[str]:
    """Yield where a value is not what a schema says; properties that no schema names are such places too."""
    if unknown := schema.keys() - KNOWN:
        raise AssertionError(f"{at}: the validator does not know {sorted(unknown)}")
    if "$ref" in schema:
        yield from problems(value, referred(schema["$ref"], document), document, at)
        return
    if choices := schema.get("oneOf") or schema.get("anyOf"):
        tried = [list(problems(value, each, document, at)) for each in choices]
        if [] not in tried:
            yield f"{at}: none of the choices fits: {tried}"
        return
    kinds = schema.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{at}: {value!r} is no {kinds}"
        return
    yield from _bounds(value, schema, at)
    if isinstance(value, dict):
        yield from _object(value, schema, document, at)
    if isinstance(value, list):
        yield from _array(value, schema, document, at)


def referred(reference: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a document that a local reference names."""
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and not (isinstance(value, bool) and kind in {"integer", "number"})


def _bounds(value: Any, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        yield f"{at}: {value!r} is not one of those allowed"
    if _is(value, "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{at}: {value} is out of bounds"
    if isinstance(value, str) and not schema.get("minLength", 0) <= len(value) <= schema.get(
        "maxLength", len(value)
    ):
        yield f"{at}: its length is out of bounds"
    if isinstance(value, list) and not schema.get("minItems", 0) <= len(value) <= schema.get(
        "maxItems", len(value)
    ):
        yield f"{at}: its length is out of bounds"


def _array(value: list[Any], schema: Mapping[str, Any], document: Mapping[str, Any], at: str) -> Iterator[str]:
    heads = schema.get("prefixItems", [])
    for index, item in enumerate(value):
        inner = heads[index] if index < len(heads) else schema.get("items", {})
        if inner is False:
            yield f"{at}[{index}]: one too many"
        elif inner is not True:
            yield from problems(item, inner, document, f"{at}[{index}]")


def _object(
    value: Mapping[str, Any], schema: Mapping[str, Any], document: Mapping[str, Any], at: str
) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}.{name}: it is missing"
    others = schema.get("additionalProperties", not properties)
    for name, inner in value.items():
        if name in properties:
            yield from problems(inner, properties[name], document, f"{at}.{name}")
        elif others is False:
            yield f"{at}.{name}: no schema names it"
        elif isinstance(others, Mapping):
            yield from problems(inner, others, document, f"{at}.{name}")

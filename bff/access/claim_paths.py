"""Finding claims by path, whatever shape the issuer gives them. Pure; nothing here raises for any JSON."""

from collections.abc import Iterator, Mapping

_MAX_PARTS = 10


def claim_values(claims: Mapping[str, object], path: str) -> Iterator[object]:
    """Yield what lies under a path: a claim's name, or names joined by dots.

    Names may hold dots themselves (`https://example.com/roles`): the longest name that is there wins. A path leads
    through the objects of an array into each of them (`groups.name`).
    """
    if path in claims:
        yield claims[path]
        return
    yield from _below(claims, path.split("."))


def claim_value(claims: Mapping[str, object], path: str) -> object:
    """Return the first value under a path; None when there is none."""
    return next(claim_values(claims, path), None)


def words_of(value: object) -> list[str]:
    """Return the texts in a claim: an array's strings, or a string's words, by spaces or commas."""
    if isinstance(value, str):
        return value.replace(",", " ").split()
    if isinstance(value, list):
        return [item for item in value if isinstance(item, str) and item]
    return []


def _below(value: object, parts: list[str]) -> Iterator[object]:
    if not parts:
        yield value
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, Mapping):
                yield from _below(item, parts)
    elif isinstance(value, Mapping):
        for length in range(min(len(parts), _MAX_PARTS), 0, -1):
            name = ".".join(parts[:length])
            if name in value:
                yield from _below(value[name], parts[length:])
                return

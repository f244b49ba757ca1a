"""JSON as security decisions want it: one meaning only, or none. Pure."""

import json
from typing import Any, NoReturn


def parse_json_object(text: bytes) -> dict[str, Any]:
    """Return the object that `text` is. Raises `ValueError` for anything that two readers could read differently.

    That is: not UTF-8, a byte order mark, a repeated name, NaN or Infinity, a lone surrogate, nesting beyond what
    the parser bears, or something else than an object (RFC 8725 §2.4, §3.1; RFC 8259 §4, §8).

    An integer beyond 64 bits becomes a float, as it is to most readers (RFC 8259 §6): nothing else could be kept.
    """
    try:
        value = json.loads(
            text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_bounded
        )
        if b"\\u" in text:  # the only way a lone surrogate can get through UTF-8
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 (it is the text that is wrong, not an argument's type)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("repeated name")
    return value


def _bounded(digits: str) -> int | float:
    value = int(digits)  # raises `ValueError` for one of thousands of digits
    return value if -(2**63) <= value < 2**63 else float(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")

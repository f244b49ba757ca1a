"""Parameters of our own endpoints."""

from urllib.parse import parse_qs

from bff.errors import BadRequest


def read_one(query: bytes, name: str) -> str | None:
    """Return the parameter if it came once; two of them are refused, for nobody knows which is meant."""
    try:
        values = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=50).get(name)
    except ValueError as error:
        raise BadRequest("The query has too many parameters.") from error
    if values is None:
        return None
    if len(values) > 1:
        raise BadRequest(f"The parameter {name} came more than once.")
    return values[0]


def read_flag(query: bytes, name: str) -> bool | None:
    """Return what a parameter says that is `true` or `false`; anything else is refused, None: it did not come."""
    value = read_one(query, name)
    if value not in {None, "true", "false"}:
        raise BadRequest(f"The parameter {name} is true or false.")
    return None if value is None else value == "true"

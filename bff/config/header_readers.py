"""Readers of what `request_headers` of `[[api]]` may hold. Pure."""

from bff.config.header_templates import HeaderTemplate, parse_header_template
from bff.config.values import BadValue, read_text


def read_header_template(value: object) -> HeaderTemplate:
    """The value of a header, with claims of the user in braces. It may be a key to an API, and is never quoted."""
    expected = 'the value of a header, with claims in braces such as "{sub}", "{email}" or "{roles}"'
    text = read_text(value, expected)
    try:
        return parse_header_template(text)
    except ValueError as error:
        raise BadValue(str(error), expected) from None

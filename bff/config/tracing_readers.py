"""The reader of a collector's address. Pure."""

from bff.config.addresses import split_url
from bff.config.values import BadValue

_EXPECTED = 'the address of an OTLP collector, for instance "http://127.0.0.1:4318"'


def read_collector(value: object) -> str:
    """Read the base address of a collector; `/v1/traces` is added to it."""
    url = split_url(value, ("http", "https"), _EXPECTED)
    if url.query or url.fragment:
        raise BadValue("has a query or a fragment", _EXPECTED)
    return url.geturl().rstrip("/").removesuffix("/v1/traces")

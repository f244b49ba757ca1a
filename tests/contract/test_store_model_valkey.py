"""The store in Valkey against the same model as the other stores; it needs a socket, so it is here."""

from itertools import count

from tests.property.store_model import check_against_model


def test_the_store_in_valkey_behaves_as_plain_dicts(valkey_url: str) -> None:
    """Whatever is asked of it in whatever order, with Lua in between."""
    check_against_model((f"{valkey_url}?prefix=run{number}" for number in count()), examples=40)

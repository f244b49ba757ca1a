"""Tables of octets: nothing that is not allowed looks as if it were."""

from bff.http.octets import build_identity_table


def test_every_octet_that_is_not_allowed_is_translated_into_another() -> None:
    """NUL and the octet in the middle too, which a careless table maps to themselves."""
    allowed = frozenset(b"az")

    table = build_identity_table(allowed)

    assert allowed == {octet for octet in range(256) if bytes([octet]).translate(table) == bytes([octet])}

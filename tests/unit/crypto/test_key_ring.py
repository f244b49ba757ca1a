"""The server's keys."""

import base64

import pytest

from bff.crypto.key_ring import CannotOpenError, KeyRing, decode_key, derive, fingerprint, new_key
from tests.values import KEY, OLD_KEY

NEW, OLD, BOTH = KeyRing([KEY]), KeyRing([OLD_KEY]), KeyRing([KEY, OLD_KEY])
SEALED = NEW.seal(b"purpose", b"plain", associated=b"record", bound_to=b"secret")


def test_what_was_sealed_opens_with_the_same_words():
    """Purpose, associated data and bound secret are all needed again."""
    assert b"plain" == NEW.open(b"purpose", SEALED, associated=b"record", bound_to=b"secret")


@pytest.mark.parametrize(
    ("purpose", "options"),
    [
        (b"other", {"associated": b"record", "bound_to": b"secret"}),
        (b"purpose", {"associated": b"another", "bound_to": b"secret"}),
        (b"purpose", {"associated": b"record", "bound_to": b"Secret"}),
        (b"purpose", {"associated": b"record"}),
        (b"purpose", {"bound_to": b"secret"}),
    ],
)
def test_nothing_opens_under_other_words(purpose, options):
    """NIST SP 800-38D: one purpose's text is no other's, and a record belongs to its key."""
    with pytest.raises(CannotOpenError):
        NEW.open(purpose, SEALED, **options)


@pytest.mark.parametrize(
    "sealed",
    [b"", b"\x01", SEALED[:4], SEALED[:5], SEALED[:32], SEALED[:-1], SEALED + b"x", b"\x02" + SEALED[1:]],
    ids=["nothing", "version", "4 bytes", "5 bytes", "32 bytes", "end cut off", "a byte more", "another version"],
)
def test_damaged_text_never_opens(sealed):
    """Cut, lengthened or of another version."""
    with pytest.raises(CannotOpenError):
        NEW.open(b"purpose", sealed, associated=b"record", bound_to=b"secret")


def test_older_keys_open_and_the_newest_seals():
    """A key that is still listed logs nobody out; one that is gone opens nothing."""
    before = OLD.seal(b"purpose", b"plain")
    after = BOTH.seal(b"purpose", b"plain")

    assert [b"plain", b"plain"] == [BOTH.open(b"purpose", before), NEW.open(b"purpose", after)]
    assert [False, True] == [BOTH.is_newest(before), BOTH.is_newest(after)]
    for ring, sealed in ((NEW, before), (OLD, after)):
        with pytest.raises(CannotOpenError):
            ring.open(b"purpose", sealed)


def test_same_text_is_never_sealed_alike():
    """Each sealing has its own nonce."""
    assert 100 == len({NEW.seal(b"purpose", b"plain") for _ in range(100)})
    assert (
        b"\x01" + NEW._keys[0].key_id + b"n" * 12 == KeyRing([KEY], random=lambda n: b"n" * n).seal(b"p", b"")[:17]
    )


def test_names_hashed_with_an_older_key_are_found():
    """One hash for each key, newest first."""
    assert [NEW.keyed_hash(b"subject", b"alice"), OLD.keyed_hash(b"subject", b"alice")] == BOTH.keyed_hashes(
        b"subject", b"alice"
    )
    assert BOTH.keyed_hash(b"subject", b"alice") == NEW.keyed_hash(b"subject", b"alice")
    assert 3 == len({NEW.keyed_hash(*pair) for pair in ((b"a", b"x"), (b"b", b"x"), (b"a", b"y"))})


def test_signing_keys_come_oldest_first():
    """As itsdangerous wants them: the last one signs."""
    assert [*OLD.signing_keys(b"cookie"), *NEW.signing_keys(b"cookie")] == BOTH.signing_keys(b"cookie")


@pytest.mark.parametrize("secret", [KEY, f" {KEY}\n", KEY + "=", base64.urlsafe_b64encode(b"k" * 64).decode()])
def test_keys_are_base64url_with_or_without_padding(secret):
    """As `bff keys new` prints them, and as editors leave them."""
    assert 32 <= len(decode_key(secret))


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("", "at least 32 bytes; this one holds 0"),
        ("c2hvcnQ", "at least 32 bytes; this one holds 5"),
        ("not base64!" * 5, "base64url text"),
        ("é" * 43, "base64url text"),
    ],
)
def test_key_that_is_none_says_what_is_wrong_without_repeating_it(secret, message):
    """The message names the form and the length, never the text."""
    with pytest.raises(ValueError, match=message) as caught:
        decode_key(secret)

    assert not secret or secret not in str(caught.value)


def test_ring_needs_a_key():
    """Nothing is ever sealed with a default."""
    with pytest.raises(ValueError, match="at least one key"):
        KeyRing([])


def test_new_keys_are_random():
    """256 bits each."""
    assert (50, 32) == (len({new_key() for _ in range(50)}), len(decode_key(new_key())))
    assert new_key(lambda n: b"k" * n) == base64.urlsafe_b64encode(b"k" * 32).rstrip(b"=").decode()


def test_derivation_separates_uses():
    """RFC 5869: other words, another key."""
    assert (32, 4) == (len(derive(b"k" * 32, b"a")), len(derive(b"k" * 32, b"a", length=4)))
    assert derive(b"k" * 32, b"a") != derive(b"k" * 32, b"b")


def test_fingerprint_is_a_short_public_name():
    """For logs: twelve digits that open nothing."""
    assert "3bc51062973c" == fingerprint(b"Alice")

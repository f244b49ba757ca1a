"""How a session is written down: all of it comes back, it is small, and no credential is ever compressed."""

import base64
import json
import zlib
from dataclasses import replace

import msgspec
import pytest

from bff.session import deflating
from bff.session.deflating import deflate, inflate
from bff.session.record_form import build_record, parse_record
from bff.session.session import Unknown, build_summary, parse_summary
from bff.session.token_parts import join_token, split_token
from tests.values import NOW, make_principal, make_session, make_tokens


def encode(part: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode("ascii")


def make_jws(claims: object, signature: bytes = b"\x07" * 256) -> str:
    """Return a token with this payload."""
    head, payload = (json.dumps(part, separators=(",", ":")).encode() for part in ({"alg": "RS256"}, claims))
    return ".".join(map(encode, (head, payload, signature)))


def random_like(seed: int, size: int) -> bytes:
    """Return bytes in which no compression finds anything, the same each time."""
    return b"".join(zlib.crc32(b"%d/%d" % (seed, at)).to_bytes(4, "big") for at in range(size // 4))


CLAIMS = {"iss": "https://op.test", "sub": "alice", "name": "Alice", "roles": ["reader"], "n": 2.5, "yes": True}
JWS = make_jws(CLAIMS)
SECRETS = [encode(random_like(seed, 40)) for seed in range(3)]

# ── a record ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "session",
    [
        make_session(),
        make_session(issuer_sid=None, tokens=make_tokens(refresh_token=None, id_token=None, scope="")),
        make_session(claims={"sub": "alice", "nested": {"list": [1, None, True, "é"]}, "n": 2.5}),
        make_session(principal=make_principal()),
        make_session(claims=CLAIMS, tokens=make_tokens(access_token=JWS, refresh_token=JWS, id_token=JWS)),
        make_session(claims={**CLAIMS, "more": 1}, tokens=make_tokens(id_token=JWS, token_type="DPoP")),
        make_session(claims={**CLAIMS, "yes": 1}, tokens=make_tokens(id_token=JWS)),
        make_session(claims={}, tokens=make_tokens(id_token=make_jws({"n": 10**30}))),
        make_session(claims={}, tokens=make_tokens(id_token=make_jws(["no", "claims"]))),
    ],
)
def test_record_is_read_as_it_was_written(session):
    """Nothing is lost, 1 does not become true, and the principal's claims are the session's."""
    read = parse_record(build_record(session))

    assert replace(session, principal=replace(session.principal, claims=session.claims)) == read
    assert json.dumps(session.claims) == json.dumps(read.claims)


def test_record_of_the_first_form_is_read():
    """Sessions outlive an upgrade: what the version before wrote is one map, with the tokens in it."""
    session = make_session(principal=replace(make_principal("reader"), claims={"sub": "alice", "name": "Alice"}))
    tokens = session.tokens
    first = {
        "handle": session.handle,
        "issuer": "https://op.test",
        "subject": "alice",
        "roles": ["reader"],
        "claims": dict(session.claims),
        "access_token": tokens.access_token,
        "issued_at": tokens.issued_at,
        "token_expires_at": tokens.expires_at,
        "scope": tokens.scope,
        "token_type": "Bearer",
        "created_at": session.created_at,
        "expires_at": session.expires_at,
        "refresh_token": tokens.refresh_token,
        "id_token": tokens.id_token,
        "issuer_sid": session.issuer_sid,
        "newer": 1,
    }

    assert session == parse_record(msgspec.msgpack.encode(first))


def test_summary_of_the_first_form_is_read():
    """Lists show what began before an upgrade, too."""
    summary = parse_summary(build_summary(make_session(), "spa"))

    first = {**msgspec.structs.asdict(summary), "created_at": NOW, "expires_at": NOW + 60}
    assert summary == parse_summary(msgspec.msgpack.encode(first))


def test_fields_of_a_newer_version_survive_a_renewal_by_an_older_one():
    """Two versions share a store during a rolling upgrade: what the older one cannot read, it writes again."""
    session = make_session(tokens=make_tokens(access_token=JWS))
    session = replace(session, unknown=Unknown({"trust": [1, {"a": b"x"}]}, {"other_token": "secret"}))

    read = parse_record(build_record(session))
    renewed = parse_record(build_record(replace(read, tokens=make_tokens(access_token="new"))))

    assert session.unknown == read.unknown == renewed.unknown
    assert "new" == renewed.tokens.access_token


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\xc0",
        b"\x80",
        b"\xffjunk",
        b"\x02",
        b"\x02\x80",
        b"\x02\xc0",
        b"\x02" + msgspec.msgpack.encode({"t": b"", "a": "t"}),
        b"\x02" + msgspec.msgpack.encode({"t": b"junk", "a": "t"}),
        b"\x02" + msgspec.msgpack.encode({"t": deflate(b"\x80"), "a": "t"}),
        b"\x02" + msgspec.msgpack.encode({"t": deflate(b"\x80") + b"more", "a": "t"}),
        msgspec.msgpack.encode({"handle": 1}),
    ],
)
def test_anything_else_is_no_record(encoded):
    """One error for all of it."""
    with pytest.raises(msgspec.DecodeError):
        parse_record(encoded)


def test_record_without_claims_needs_an_id_token_to_read_them_in():
    """A record that says its claims are the ID token's, and has none, is damaged."""
    whole = msgspec.msgpack.decode(build_record(make_session(claims=CLAIMS, tokens=make_tokens(id_token=JWS)))[1:])
    text = msgspec.msgpack.decode(inflate(whole["t"]))
    assert "claims" not in text
    broken = deflate(msgspec.msgpack.encode({**text, "jws_open": {}}))

    with pytest.raises(msgspec.DecodeError):
        parse_record(b"\x02" + msgspec.msgpack.encode({**whole, "t": broken}))


# ── what is compressed, and what never ───────────────────────────────────────────────────────────────────


def test_length_of_a_record_tells_nothing_of_a_credential():
    """A compression oracle (CRIME, BREACH) needs a secret beside chosen text: there is none in what is deflated.

    Claims that spell out the session's own refresh token, opaque access token or signature cost as many bytes as
    claims that spell out something else of that length. A match would save most of the forty bytes and more.
    """
    signature = random_like(9, 256)
    tokens = make_tokens(access_token=SECRETS[0], refresh_token=SECRETS[1], id_token=make_jws(CLAIMS, signature))

    def length(guess: str) -> int:
        return len(build_record(make_session(claims={**CLAIMS, "nickname": guess}, tokens=tokens)))

    for secret in (SECRETS[0], SECRETS[1], encode(signature)):
        guesses = [encode(random_like(seed, len(secret))) for seed in range(20, 60)]
        lengths = sorted(length(guess[: len(secret)]) for guess in guesses)
        assert lengths[0] - 5 <= length(secret) <= lengths[-1] + 5


def test_no_credential_is_in_what_is_deflated():
    """Not as text, and not as the bytes that it stands for."""
    signature = random_like(9, 256)
    tokens = make_tokens(
        access_token=make_jws({"sub": "alice"}, signature), refresh_token=SECRETS[1], id_token=SECRETS[2]
    )

    text = inflate(msgspec.msgpack.decode(build_record(make_session(tokens=tokens))[1:])["t"])

    assert b'"sub":"alice"' in text
    for credential in (SECRETS[1], SECRETS[2], encode(signature)):
        assert credential.encode() not in text
        assert base64.urlsafe_b64decode(credential + "=" * (-len(credential) % 4)) not in text


def test_two_jwts_of_a_kilobyte_take_little_more_than_their_signatures():
    """Two RSA signatures are 512 bytes, which nothing makes smaller; all the rest fits in as many again."""
    claims = {
        **CLAIMS,
        "roles": [f"department-{number}:read" for number in range(20)],
        "email": "alice@example.com",
        "exp": int(NOW) + 300,
        "iat": int(NOW),
        "nonce": encode(random_like(4, 32)),
    }
    token = make_jws(claims, random_like(1, 256))
    tokens = make_tokens(access_token=token, id_token=make_jws(claims, random_like(2, 256)), refresh_token="r" * 43)

    assert 1000 < len(token)
    assert 1000 > len(build_record(make_session(claims=claims, tokens=tokens)))


@pytest.mark.parametrize(
    "token",
    [
        JWS,
        "opaque",
        "",
        ".",
        "..",
        "a.b.c",
        "e30.e30.",
        "e30.e30.e30",
        "e31.e30.e30",  # spare bits that base64url does not set
        "e30=.e30.AA",
        "ab+/.cd",
        "é.e30.e30",
        "eyJ4.eyJ5.AAAA",
        "e30.AAAA.BBBB.CCCC.DDDD",  # a JWE: all of it is the credential
    ],
)
def test_token_is_joined_as_it_was_split(token):
    """To the letter: an API compares nothing less."""
    credential, opened = split_token(token)

    assert token == join_token(credential, opened)


def test_only_the_readable_parts_of_a_jws_are_no_credential():
    """Of an encrypted token, and of one that cannot be told, nothing is taken for text."""
    assert ([b"\x07" * 256], 2) == (split_token(JWS)[0], len(split_token(JWS)[1]))
    assert [] == split_token("e30.AAAA.BBBB.CCCC.DDDD")[1] == split_token("AAAA.BBBB.CCCC")[1]
    assert ("not-base64!", []) == split_token("not-base64!")


# ── deflating ────────────────────────────────────────────────────────────────────────────────────────────


def test_what_grows_beyond_all_measure_is_not_inflated(monkeypatch):
    """OWASP ASVS 5.2.3: a few bytes must not become gigabytes, whoever made them."""
    bomb = deflate(bytes(2_000_000))
    monkeypatch.setattr(deflating, "MOST", 1_000_000)

    assert 10_000 > len(bomb)
    with pytest.raises(msgspec.DecodeError):
        inflate(bomb)


def test_dictionary_never_changes():
    """What lies in stores was written with it: another dictionary would log everybody out."""
    assert 2391957760 == zlib.crc32(deflating._WORDS)

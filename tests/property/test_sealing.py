"""Whatever is changed in what we sealed, it does not open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.crypto.envelope import Envelope
from bff.crypto.key_ring import CannotOpenError, KeyRing
from bff.oidc.attempt import LoginAttempt
from bff.oidc.token_set import TokenSet
from bff.session.attempts import AttemptCookies, PendingLogin
from bff.session.principal import Principal
from bff.session.record_form import build_record, parse_record
from bff.session.session import Session, build_summary, parse_summary
from bff.session.ticket import Ticket
from bff.session.vault import Vault
from tests.values import NOW, OLD_KEY, RING

WORDS = st.binary(max_size=24)


@given(WORDS, WORDS, WORDS, st.data())
def test_sealed_text_opens_unchanged_and_no_bit_of_it_may_flip(payload, associated, bound_to, data):
    """AES-GCM: version, key id, nonce, text and tag are all authenticated."""
    sealed = RING.seal(b"purpose", payload, associated=associated, bound_to=bound_to)
    assert payload == RING.open(b"purpose", sealed, associated=associated, bound_to=bound_to)

    at = data.draw(st.integers(0, len(sealed) * 8 - 1))
    flipped = bytearray(sealed)
    flipped[at // 8] ^= 1 << at % 8
    with pytest.raises(CannotOpenError):
        RING.open(b"purpose", bytes(flipped), associated=associated, bound_to=bound_to)
    with pytest.raises(CannotOpenError):
        RING.open(b"purpose", sealed[: data.draw(st.integers(0, len(sealed) - 1))], associated=associated)


CONTEXT = st.tuples(st.sampled_from([b"session-record", b"session-summary", b"x"]), WORDS, WORDS)


@given(CONTEXT, CONTEXT)
def test_sealed_text_opens_in_its_own_context_alone(one, other):
    """Another purpose, another record or another cookie: never."""
    sealed = RING.seal(one[0], b"payload", associated=one[1], bound_to=one[2])

    if one != other:
        with pytest.raises(CannotOpenError):
            RING.open(other[0], sealed, associated=other[1], bound_to=other[2])


@given(st.binary(max_size=120))
def test_junk_never_opens(junk):
    """One error, and no other exception, for whatever bytes."""
    with pytest.raises(CannotOpenError):
        RING.open(b"purpose", junk)
    with pytest.raises(CannotOpenError):
        Envelope(RING, b"purpose").open(junk, NOW)


@given(st.binary(max_size=80), st.integers(0, 10**9), st.data())
def test_envelope_opens_unchanged_and_no_character_of_it_may_change(payload, age, data):
    """Text for cookies: whatever replaces a character, it does not open."""
    envelope = Envelope(RING, b"cookie")
    text = envelope.seal(payload, NOW)
    assert (payload, NOW) == envelope.open(text, NOW + age)

    at = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[at]))
    with pytest.raises(CannotOpenError):
        envelope.open(text[:at] + bytes([character]) + text[at + 1 :], NOW)


@given(st.binary(max_size=40))
def test_two_envelopes_cannot_be_mixed(payload):
    """Time and signature of one text do not fit another, nor does another purpose's or another key's."""
    envelope = Envelope(RING, b"cookie")
    one, two = envelope.seal(payload, NOW).split(b"."), envelope.seal(payload, NOW + 1).split(b".")

    for mixed in ([one[0], two[1], one[2]], [one[0], one[1], two[2]], [two[0], one[1], one[2]]):
        with pytest.raises(CannotOpenError):
            envelope.open(b".".join(mixed), NOW)
    for other in (Envelope(RING, b"other"), Envelope(KeyRing([OLD_KEY]), b"cookie")):
        with pytest.raises(CannotOpenError):
            other.open(b".".join(one), NOW)


# ── records ──────────────────────────────────────────────────────────────────────────────────────────────

TEXT = st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
CLAIMS = st.dictionaries(TEXT, JSON, max_size=6)
SECONDS = st.floats(0, 4e9)


@st.composite
def sessions(draw):
    claims = draw(CLAIMS)
    return Session(
        handle=draw(TEXT),
        principal=Principal(draw(TEXT), draw(TEXT), draw(st.frozensets(TEXT, max_size=4)), claims),
        claims=claims,
        tokens=TokenSet(
            draw(TEXT), draw(SECONDS), draw(SECONDS), draw(st.none() | TEXT), draw(st.none() | TEXT), draw(TEXT)
        ),
        created_at=draw(SECONDS),
        expires_at=draw(SECONDS),
        issuer_sid=draw(st.none() | TEXT),
    )


@given(sessions())
def test_session_comes_back_from_its_record_as_it_was(session):
    """Whatever claims an issuer makes up."""
    assert session == parse_record(build_record(session))
    assert session.principal.subject == parse_summary(build_summary(session, "spa")).subject


@given(sessions(), st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_sealed_session_opens_with_its_own_ticket_alone(session, session_id, secret):
    """A dump of the store and the configuration together open no record."""
    vault = Vault(RING, "spa")
    ticket = Ticket(session_id, secret)
    record = vault.seal(session, ticket, version=1, idle_expires_at=session.expires_at)

    assert session == vault.open(record.key, record.sealed, ticket)
    with pytest.raises(CannotOpenError):
        vault.open(record.key, record.sealed, Ticket(session_id, bytes(32) if any(secret) else b"x" * 32))


# ── attempts ─────────────────────────────────────────────────────────────────────────────────────────────

COOKIES = AttemptCookies(RING, "__Host-bff")


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=30).filter(lambda text: text.isascii()), st.integers(0, 1024)),
        min_size=1,
        max_size=12,
    )
)
def test_attempts_of_one_browser_are_bounded_in_number_and_size(begun):
    """RFC 6265bis §6.1: five at most, in six kilobytes at most, and the last one is always among them."""
    jar = {}
    for number, (state, size) in enumerate(begun):
        attempt = LoginAttempt(state, "n", "v", "/" + "a" * size, "https://op.test", NOW + number)
        header = b"; ".join(name + b"=" + value for name, value in jar.items())
        for line in COOKIES.begin(PendingLogin(attempt), [header], NOW + number):
            name, _, value = line.partition(b";")[0].partition(b"=")
            jar.pop(name, None)
            if b"Max-Age=0" not in line:
                jar[name] = value

    assert len(jar) <= 5
    assert sum(map(len, jar.values())) <= 6 * 1024
    header = b"; ".join(name + b"=" + value for name, value in jar.items())
    assert attempt == COOKIES.find(begun[-1][0], [header], NOW + len(begun)).attempt


@given(st.lists(st.binary(max_size=60), max_size=30), st.text(max_size=20))
def test_any_cookies_are_survived(headers, state):
    """Whatever a browser sends beside, beginning and finding never fail and never write much."""
    flood = [b"__Host-bff-login-" + header for header in headers]
    attempt = LoginAttempt("s", "n", "v", "/", "https://op.test", NOW)

    assert None is COOKIES.find(state, flood, NOW)
    assert len(COOKIES.begin(PendingLogin(attempt), flood, NOW)) <= 21

"""The pure parts of a session: its ticket, its record, its sealing, and when its tokens are renewed."""

import pytest

from bff.crypto.key_ring import CannotOpenError, KeyRing
from bff.oidc.grant import Grant
from bff.session.freshness import Freshness, RenewalTimes, freshness, renewal_times
from bff.session.live import LiveSession, News
from bff.session.session import Summary, build_summary, parse_summary
from bff.session.ticket import Ticket, handle_of, new_ticket, parse_ticket
from bff.session.vault import Vault
from tests.values import KEY, NOW, OLD_KEY, RING, TICKET, make_principal, make_session, make_tokens

# ── the ticket ───────────────────────────────────────────────────────────────────────────────────────────


def test_ticket_is_read_as_it_was_written():
    """64 bytes: the id and the secret."""
    assert TICKET == parse_ticket(TICKET.build())
    assert [None, None, None] == [parse_ticket(payload) for payload in (b"", b"x" * 63, b"x" * 65)]


def test_every_ticket_is_its_own():
    """OWASP ASVS 7.2.3: 256 random bits each for the id and for the secret."""
    tickets = [new_ticket() for _ in range(50)]

    assert 50 == len({ticket.session_id for ticket in tickets}) == len({ticket.secret for ticket in tickets})
    assert Ticket(b"\x07" * 32, b"\x07" * 32) == new_ticket(lambda size: b"\x07" * size)


def test_store_key_needs_both_halves_and_tells_neither():
    """Whoever reads the store learns no id; whoever knows an id finds no record."""
    keys = {
        TICKET.store_key,
        Ticket(b"j" * 32, TICKET.secret).store_key,
        Ticket(TICKET.session_id, b"t" * 32).store_key,
    }

    assert (3, {32}) == (len(keys), {len(key) for key in keys})
    assert "Ticket(***)" == repr(TICKET)


def test_handle_is_how_the_store_key_begins():
    """96 bits of a keyed hash: they name the session, and open and find nothing without the store."""
    assert TICKET.store_key.hex()[:24] == handle_of(TICKET.store_key)


# ── freshness ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("lifetime", "ahead", "jitter", "renew_in", "unusable_in"),
    [
        (300, 60, 0.0, 240, 295),
        (300, 60, 1.0, 228, 295),
        (300, 60, 0.5, 234, 295),
        (3600, 60, 0.0, 3540, 3595),
        (60, 60, 0.0, 30, 55),
        (60, 60, 1.0, 24, 55),
        (5, 60, 0.0, 2.5, 4.5),
        (5, 60, 1.0, 2, 4.5),
        (300, 0, 0.5, 295, 295),
        (0, 60, 0.5, 0, 0),
        (-10, 60, 0.5, -10, -10),
    ],
)
def test_times_of_renewal(lifetime, ahead, jitter, renew_in, unusable_in):
    """At most half a token's life ahead, up to a fifth earlier by jitter, and none is sent in its last seconds."""
    tokens = make_tokens(expires_at=NOW + lifetime)

    assert RenewalTimes(NOW + renew_in, NOW + unusable_in) == renewal_times(tokens, ahead, jitter)


@pytest.mark.parametrize(
    ("age", "with_refresh_token", "without"),
    [
        (0, Freshness.FRESH, Freshness.FRESH),
        (239.9, Freshness.FRESH, Freshness.FRESH),
        (240, Freshness.DUE, Freshness.FRESH),
        (294.9, Freshness.DUE, Freshness.FRESH),
        (295, Freshness.EXPIRED, Freshness.DEAD),
        (10**6, Freshness.EXPIRED, Freshness.DEAD),
    ],
)
def test_what_may_be_done_with_tokens_of_an_age(age, with_refresh_token, without):
    """Without a refresh token there is nothing to renew with: used to the end, then dead."""
    times = RenewalTimes(NOW + 240, NOW + 295)

    assert (with_refresh_token, without) == (
        freshness(make_tokens(), times, NOW + age),
        freshness(make_tokens(refresh_token=None), times, NOW + age),
    )


# ── the summary ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"name": "Alice", "preferred_username": "al"}, "Alice"),
        ({"name": "", "preferred_username": "al"}, "al"),
        ({"preferred_username": "al"}, "al"),
        ({"name": 7}, ""),
        ({}, ""),
    ],
)
def test_summary_holds_what_lists_show_and_no_token(claims, name):
    """A name for people, wherever the issuer puts it."""
    encoded = build_summary(make_session(claims=claims), "spa")

    assert Summary("https://op.test", "alice", name, ["reader"], "spa") == parse_summary(encoded)
    for token in (b"access-1", b"refresh-1", b"id-1"):
        assert token not in encoded


def test_renewed_session_keeps_its_own_times():
    """A renewal brings tokens, claims and roles, and prolongs nothing."""
    grant = Grant(make_tokens(access_token="access-2"), {"sub": "alice", "roles": []})
    renewed = make_session().renewed(grant, make_principal("admin"))

    assert make_session(tokens=grant.tokens, claims=grant.claims, principal=make_principal("admin")) == renewed
    assert "Session(handle='cafe00112233445566778899')" == repr(renewed)


# ── the vault ────────────────────────────────────────────────────────────────────────────────────────────


def seal(vault, session=None, ticket=TICKET):
    return vault.seal(session or make_session(), ticket, version=3, idle_expires_at=NOW + 3600)


def test_sealed_record_tells_only_what_lookups_need():
    """Times and hashes lie open; who it is and every token do not."""
    record = seal(Vault(RING, "spa"))

    assert (TICKET.store_key, 3, "cafe00112233445566778899", NOW, NOW + 3600, NOW + 43200) == (
        record.key,
        record.version,
        record.handle,
        record.created_at,
        record.idle_expires_at,
        record.expires_at,
    )
    written = b"".join(value for name in record.__slots__ if isinstance(value := getattr(record, name), bytes))
    for secret in (b"access-1", b"refresh-1", b"alice", b"Alice", b"sid-1", b"op.test", TICKET.secret):
        assert secret not in written


def test_idle_end_is_never_after_the_absolute_one():
    """The last hour of a session is shorter than an hour."""
    record = Vault(RING, "spa").seal(make_session(), TICKET, version=1, idle_expires_at=NOW + 10**6)

    assert record.expires_at == record.idle_expires_at


@pytest.mark.parametrize("bound", [True, False])
def test_record_opens_for_whoever_may_open_it(bound):
    """Bound to the cookie it needs that cookie's secret; otherwise the server's key is enough."""
    vault = Vault(RING, "spa", bind_to_cookie=bound)
    record = seal(vault)

    assert make_session().tokens == vault.open(record.key, record.sealed, TICKET).tokens
    stranger = Ticket(TICKET.session_id, b"x" * 32)
    if bound:
        with pytest.raises(CannotOpenError):
            vault.open(record.key, record.sealed, stranger)
    else:
        assert make_session().tokens == vault.open(record.key, record.sealed, stranger).tokens


def test_record_moved_to_another_key_does_not_open():
    """A store that swaps two records, or shows a summary for a record, opens nothing."""
    vault = Vault(RING, "spa", bind_to_cookie=False)
    record = seal(vault)

    for key, sealed in ((b"k" * 32, record.sealed), (record.key, record.summary)):
        with pytest.raises(CannotOpenError):
            vault.open(key, sealed, TICKET)


def test_sealed_junk_does_not_open():
    """What was sealed with our key and is no record is refused like any other."""
    vault = Vault(RING, "spa", bind_to_cookie=False)
    sealed = RING.seal(b"session-record", b"junk", associated=TICKET.store_key)
    record = seal(vault)
    summary = RING.seal(b"session-summary", b"junk", associated=record.key)

    with pytest.raises(CannotOpenError):
        vault.open(TICKET.store_key, sealed, TICKET)
    with pytest.raises(CannotOpenError):
        vault.open_summary(
            type(record)(**{name: getattr(record, name) for name in record.__slots__} | {"summary": summary})
        )
    assert "Alice" == vault.open_summary(record).name


def test_hashes_find_what_an_older_key_wrote():
    """After a rotation a user's older sessions are found as well."""
    old, both = Vault(KeyRing([OLD_KEY]), "spa"), Vault(KeyRing([KEY, OLD_KEY]), "spa")
    record = seal(old)

    assert record.subject in both.subject_hashes("https://op.test", "alice")
    assert record.issuer_sid in both.issuer_sid_hashes("https://op.test", "sid-1")
    assert None is seal(old, make_session(issuer_sid=None)).issuer_sid
    assert both.subject_hashes("ab", "c") != both.subject_hashes("a", "bc")


# ── the live session ─────────────────────────────────────────────────────────────────────────────────────


def test_live_session_works_out_what_requests_need():
    """Adopting a newer view also forgets the failures of the older one."""
    live = LiveSession(TICKET, TICKET.store_key, 60)
    live.failures, live.retry_at = 7, NOW + 100
    live.adopt(make_session(), 4)

    jitter = int.from_bytes(TICKET.store_key[:2], "big") / 65536
    assert ("Bearer access-1", 4, 0, 0.0, make_tokens()) == (
        live.authorization,
        live.version,
        live.failures,
        live.retry_at,
        live.tokens,
    )
    assert renewal_times(make_tokens(), 60, jitter) == live.times
    assert Freshness.EXPIRED is live.freshness(NOW + 299)


@pytest.mark.parametrize(
    ("principal", "told"),
    [
        (make_principal("reader"), []),
        (make_principal("admin"), [News.CLAIMS_CHANGED]),
        (make_principal(), [News.CLAIMS_CHANGED]),
    ],
)
def test_pages_hear_of_claims_only_when_they_changed(principal, told):
    """A renewal that brings the same roles and claims is no news."""
    live = LiveSession(TICKET, TICKET.store_key, 60)
    live.adopt(make_session(), 1)
    heard = []
    live.watchers.add(heard.append)

    live.adopt(make_session(principal=principal), 2)

    assert told == heard

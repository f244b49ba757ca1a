"""A thief has a full dump of the store, the configuration and the server's keys: what is had from that.

OWASP ASVS 11.2.1 and 13.3.1, RFC 9700 §4.14 (refresh tokens are worth as much as a password).
"""

import asyncio
import base64
import itertools
import re
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

import bff
from bff.crypto.envelope import Envelope
from bff.crypto.key_ring import CannotOpenError, KeyRing
from bff.session.deflating import inflate
from bff.session.record_form import parse_record
from bff.session.sessions import COOKIE_PURPOSE
from bff.session.stores import open_store
from bff.session.ticket import Ticket, parse_ticket
from tests.product import Bff, Browser
from tests.world import NegIssuer, World, eventually

pytestmark = [pytest.mark.integration, pytest.mark.security]

CLAIMS = {"email": "mallory.quint@people.example", "phone_number": "+49 30 5550199", "nickname": "quintessence"}


@pytest.mark.parametrize("store", ["sqlite", "valkey"])
async def test_stolen_store_gives_no_token_claim_or_session_even_with_the_servers_keys(
    world: World, neg: NegIssuer, echo: object, store: str
) -> None:
    """Neither by looking for them in any encoding, nor by opening what is sealed with every key of the server."""
    options = {"store": f"{world.valkey.url}/6"} if store == "valkey" else {}
    neg.op.id_token = dict(CLAIMS)
    try:
        with world.build(neg, session='renew_ahead = "0s"', env={"BFF__AUDIT__SINK": "store"}, **options) as server:
            cookies = await use(neg, server)
            files = raw(server)  # the write-ahead log among them
            await asyncio.to_thread(server.stop)  # so that what is written now and then has been written
            dump = list(read_sqlite(server) if store == "sqlite" else read_valkey(f"{world.valkey.url}/6"))
            files += raw(server)
            configuration = server.config.read_bytes() + server.keys.read_bytes()
            ring = KeyRing(server.keys.read_text().split())
    finally:
        neg.op.id_token = {}

    tickets = [ticket_of(ring, cookie) for cookie in cookies]
    secrets = secrets_of(neg, cookies, tickets)
    opened = dict(open_all(ring, dump))
    places = {
        "dump": list(every_form(dump)),
        "files": [files],
        "configuration": [configuration],
        "what the server's keys open": list(every_form(opened.values())),
    }
    assert len(secrets) > 15
    assert len(tickets) == 3
    for place, blobs in places.items():
        for name, secret in secrets.items():
            forms = forms_of(secret)
            assert not any(form in blob for blob in blobs for form in forms), f"{name} in the {place}"
    # What lists of sessions and reviews are made of opens with the server's keys: docs/security.md says so.
    assert {b"session-summary", b"review-document"} == {purpose for purpose, _ in opened}
    assert any(person_of(neg).encode() in blob for blob in places["what the server's keys open"])
    # In clear it names subjects in one place alone, the audit log if that is kept in the store: lines and an index.
    person = person_of(neg).encode()
    named = [blob for blob in dump if person in blob and blob != person]
    assert named
    assert all(blob.startswith(b'{"') and b'"event":"' in blob for blob in named)
    # The attack is a real one: with the secret that only the cookie has, it opens the records.
    records = dict(open_all(ring, dump, [ticket.secret for ticket in tickets]))
    sessions = [parse_record(text) for (purpose, _), text in records.items() if purpose == b"session-record"]
    assert {CLAIMS["email"]} == {session.claims["email"] for session in sessions}
    assert {(session.tokens.refresh_token or "").encode() for session in sessions} <= {*secrets.values()}


def raw(server: Bff) -> bytes:
    """Every byte of the files that a store of its own has."""
    return b"".join(path.read_bytes() for path in server.folder.glob("sessions.db*"))


async def use(neg: NegIssuer, server: Bff) -> list[str]:
    """Three renewed sessions: one in use, one that was logged out, one that an operator ended. Their cookies."""
    cookies: list[str] = []
    for ending in ("", "logout", "revoked"):
        async with Browser(server) as browser:
            neg.op.access_token_lifetime = 1
            await browser.navigate(neg.op.login(await browser.begin_login("/x")), cross_site=True)
            assert browser.session_cookie is not None
            cookies.append(browser.session_cookie)
            user = await browser.user()
            before = neg.op.count("token", grant_type="refresh_token")
            await asyncio.sleep(1.1)
            assert 200 == (await browser.get("/echo/x")).status_code
            await eventually(lambda before=before: before < neg.op.count("token", grant_type="refresh_token"))  # type: ignore[misc]
            if ending == "logout":
                await browser.post("/bff/logout")
            if ending == "revoked":
                store = open_store(server.store, timeout=30.0)
                (record,) = await store.find(now=time.time(), handle=user["session"]["id"])
                assert await store.end(record.key, "revoked", time.time(), keep_sealed=True)
                await store.close()
    neg.op.access_token_lifetime = 300
    return cookies


def person_of(neg: NegIssuer) -> str:
    """Who signed in."""
    return next(iter(neg.op._desk._access_tokens.values())).sub


def ticket_of(ring: KeyRing, cookie: str) -> Ticket:
    """What is in a cookie: the test has what the thief has not."""
    ticket = parse_ticket(Envelope(ring, COOKIE_PURPOSE).open(cookie.encode(), time.time())[0])
    assert ticket is not None
    return ticket


def secrets_of(neg: NegIssuer, cookies: list[str], tickets: list[Ticket]) -> dict[str, bytes]:
    """Every token that was issued with its parts, what the cookies hold, and claims."""
    desk = neg.op._desk
    tokens = {*desk._refresh_tokens, *desk._spent, *desk._access_tokens}
    secrets = {f"token {n}": token.encode() for n, token in enumerate(sorted(tokens))}
    secrets |= {
        f"signature {n}": token.split(".")[2].encode() for n, token in enumerate(tokens) if token.count(".") == 2
    }
    secrets |= {f"cookie {n}": cookie.encode() for n, cookie in enumerate(cookies)}
    secrets |= {f"session id {n}": ticket.session_id for n, ticket in enumerate(tickets)}
    secrets |= {f"cookie's secret {n}": ticket.secret for n, ticket in enumerate(tickets)}
    secrets |= {f"claim {name}": value.encode() for name, value in CLAIMS.items()}
    return secrets


def forms_of(secret: bytes) -> set[bytes]:
    """A secret in clear, in hexadecimal, in base64 of both alphabets at each of three places, and reversed."""
    forms = {secret, secret[::-1], secret.hex().encode(), secret.hex().upper().encode()}
    for shift in range(3):
        # Of what comes before, and of what comes after, the outer characters depend on the neighbours.
        encoded = base64.b64encode(b"\0" * shift + secret)[4 if shift else 0 : -4]
        forms |= {encoded, encoded.replace(b"+", b"-").replace(b"/", b"_")}
    return {form for form in forms if len(form) >= 8}


def every_form(blobs: Any) -> Iterator[bytes]:
    """What was found, and what comes out of it wherever something compressed may begin in it."""
    for blob in blobs:
        yield blob
        for at in range(min(len(blob), 96)):
            for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS, zlib.MAX_WBITS | 16):
                try:
                    yield zlib.decompressobj(window).decompress(blob[at:], 1 << 20)
                except zlib.error:
                    continue
            try:
                yield inflate(blob[at:])
            except (msgspec.DecodeError, zlib.error):
                continue


def open_all(
    ring: KeyRing, dump: list[bytes], bound: list[bytes] | None = None
) -> Iterator[tuple[tuple[bytes, bytes], bytes]]:
    """Try to open every value for every purpose there is, beside everything else in the dump."""
    sealed = [blob for blob in dump if any(blob[1:].startswith(bytes.fromhex(name)) for name in ring.key_ids)]
    beside = {b"", *(blob for blob in dump if len(blob) <= 64)}
    for blob, purpose in itertools.product(sealed, purposes()):
        for associated in beside:
            for bound_to in {b"", associated} if bound is None else bound:
                try:
                    yield (purpose, blob), ring.open(purpose, blob, associated=associated, bound_to=bound_to)
                except CannotOpenError:
                    continue


def purposes() -> set[bytes]:
    """Whatever stands in the source as bytes and may be a purpose."""
    source = "".join(path.read_text() for path in Path(bff.__file__).parent.rglob("*.py"))
    names = {name.encode() for name in re.findall(r'^_?[A-Z_]+ = b"([a-z-]{5,40})"$', source, re.MULTILINE)}
    assert {b"session-record", b"session-summary", b"session-cookie", b"review-document"} <= names
    return names


def read_sqlite(server: Bff) -> Iterator[bytes]:
    """Every value of every table, as a thief opens the file."""
    with closing(sqlite3.connect(server.folder / "sessions.db")) as file:
        for (table,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in file.execute(f"SELECT * FROM {table}"):
                yield from parts_of(row)


def read_valkey(url: str) -> Iterator[bytes]:
    """Every key and value there is."""
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter():
            yield from parts_of(key)
            match client.type(key):
                case b"string":
                    yield from parts_of(client.get(key))
                case b"hash":
                    yield from parts_of(client.hgetall(key))
                case b"zset":
                    yield from parts_of([member for member, _ in client.zscan_iter(key)])
                case b"set":
                    yield from parts_of(list(client.sscan_iter(key)))
                case kind:
                    raise AssertionError(kind)


def parts_of(value: Any) -> Iterator[bytes]:
    """Bytes in whatever holds them; names of keys also as the bytes that they write down."""
    match value:
        case bytes():
            yield value
            for word in re.findall(rb"[A-Za-z0-9_-]{16,}", value):
                for decode in (bytes.fromhex, lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))):
                    try:
                        yield decode(word.decode())
                    except ValueError:
                        continue
            try:
                inner = msgspec.msgpack.decode(value)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return
            if isinstance(inner, list | dict):
                yield from parts_of(inner)
        case str():
            yield from parts_of(value.encode())
        case dict():
            for pair in value.items():
                yield from parts_of(list(pair))
        case list() | tuple():
            for each in value:
                yield from parts_of(each)
        case _:
            return

"""No token, code, verifier, cookie or secret is ever where it does not belong."""

import asyncio
import base64
import json
import time
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from tests.neg_op import Reply
from tests.product import Bff, Browser
from tests.world import NegIssuer, World, eventually, until

pytestmark = [pytest.mark.integration, pytest.mark.security]


def secrets_of(neg: NegIssuer, bff: Bff, seen: set[str]) -> set[str]:
    """Everything that the issuer gave out or was sent, that must stay between it and us."""
    op = neg.op
    secrets = {neg.client_secret, quote(neg.client_secret, safe=""), *bff.keys.read_text().split()}
    basic = f"{quote(neg.client_id, safe='')}:{quote(neg.client_secret, safe='')}"
    secrets.add(base64.b64encode(basic.encode()).decode())
    for request in op.requests("token"):
        secrets |= {request.form[name] for name in ("code_verifier", "refresh_token") if name in request.form}
    desk = op._desk
    secrets |= {*desk._refresh_tokens, *desk._spent, *desk._access_tokens, *desk.revoked, *seen}
    return {secret for secret in secrets if len(secret) > 8}


async def whole_session(neg: NegIssuer, bff: Bff, browser: Browser) -> set[str]:
    """Everything that can happen to a session, well and badly; returns further secrets."""
    op, secrets = neg.op, set()
    op.access_token_lifetime = 1
    location = await browser.begin_login("/x")
    callback = op.login(location)
    code = parse_qs(urlsplit(callback).query)["code"][0]
    secrets |= {code, *browser.cookies.values()}
    await browser.navigate(callback, cross_site=True)
    assert browser.session_cookie is not None
    secrets.add(browser.session_cookie)
    twin = browser.twin()
    await browser.user()
    await browser.get("/echo/x")
    await until(time.time() + 1.1)
    op.script("token", Reply(503))
    await browser.get("/echo/x")
    await eventually(lambda: 0 < op.count("token", grant_type="refresh_token"))
    await until(time.time() + 1.5)
    await browser.get("/echo/x")
    await browser.get("/down/x", headers={"Authorization": "Bearer browsers-own-secret"})
    await browser.get("/guarded/x")
    await browser.get("/echo/../x")
    await browser.navigate(callback, cross_site=True)
    browser.cookies["__Host-bff"] = browser.session_cookie[:-3]
    await browser.get("/echo/x")
    browser.cookies["__Host-bff"] = twin.session_cookie
    await browser.navigate("/bff/logout?sid=wrong")
    await browser.post("/bff/backchannel-logout", data={"logout_token": op.logout_token(aud="x")})
    op.access_token_lifetime = 300
    await browser.navigate(op.login(await browser.begin_login("/x")), cross_site=True)
    secrets.add(browser.session_cookie or "")
    await browser.post("/bff/logout")
    op.id_token = {"nonce": "wrong"}
    await browser.navigate(op.login(await browser.begin_login("/x")), cross_site=True)
    op.id_token = {}
    await browser.navigate(op.login(await browser.begin_login("/x")), cross_site=True)
    secrets.add(browser.session_cookie or "")
    await browser.get("/echo/x")
    return secrets


def told_to_the_browser(browser: Browser) -> bytes:
    """Every byte of every answer, but not the cookies that it is given to keep, nor the way to the issuer."""
    told = []
    for answer in browser.answers:
        told.append(answer.content)
        for name, value in answer.headers.items():
            if name == "set-cookie" or (name == "location" and "/authorize" in value):
                continue
            told.append(f"{name}: {value}".encode())
    return b"\n".join(told)


@pytest.mark.parametrize("store", ["sqlite", "valkey"])
async def test_secrets_are_in_no_answer_no_log_no_audit_and_not_in_the_store(
    world: World, neg: NegIssuer, echo: object, store: str
):
    """A whole session, with every byte that leaves the server, at the most talkative level.

    OWASP ASVS 10.1.1, browser-based apps §6.1.2.1, RFC 9700 §4.2.4 and §4.3.
    """
    options = {"store": f"{world.valkey.url}/5"} if store == "valkey" else {}
    with world.build(neg, session='renew_ahead = "0s"', log='level = "debug"', **options) as bff:
        async with Browser(bff) as browser, httpx.AsyncClient(verify=False) as http:
            secrets = secrets_of(neg, bff, await whole_session(neg, bff, browser))
            answers = [
                await http.get(f"{bff.management_url}{path}") for path in ("/health/ready", "/metrics", "/x")
            ]
            await asyncio.sleep(0.2)  # for the last lines of log and audit
            places = {
                "answers": told_to_the_browser(browser),
                "management": b"\n".join(answer.content for answer in answers),
                "output": bff.output().encode(),
                "audit": bff.audit.read_bytes(),
                "store": raw_store(world, bff, store),
            }
            leaving = await browser.navigate((await browser.user())["logout_url"])
            (hint,) = parse_qs(urlsplit(leaving.headers["location"]).query)["id_token_hint"]

    assert len(secrets) > 15
    assert len(places["store"]) > 1000
    assert b"login.done" in places["audit"]
    for place, data in places.items():
        found = [secret for secret in secrets if secret.encode() in data]
        assert [] == found, f"{len(found)} in the {place}"
        assert b"eyJhbGci" not in data, place  # no JWT of any kind
        assert hint.encode() not in data, place
    assert b"browsers-own-secret" not in b"".join(places.values())


def raw_store(world: World, bff: Bff, store: str) -> bytes:
    """Every byte that the store has on its disk."""
    if store == "sqlite":
        files = list(bff.folder.glob("sessions.db*"))
    else:
        files = [path for path in Path(world.valkey._directory).rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files)


async def test_store_tells_nothing_about_people(world: World, neg: NegIssuer, echo: object):
    """Names, addresses and subjects are sealed or hashed with a key (OWASP ASVS 7.2.2)."""
    with world.build(neg) as bff:
        async with Browser(bff) as browser:
            await browser.navigate(neg.op.login(await browser.begin_login()), cross_site=True)
            person = await browser.user()
            data = raw_store(world, bff, "sqlite")

    assert person["sub"].encode() not in data
    assert person["name"].encode() not in data
    assert neg.url.encode() not in data


async def test_files_of_the_server_are_readable_by_their_owner_only(bff: Bff):
    """The store and the audit log hold what others must not read."""
    async with Browser(bff) as browser:
        await browser.log_in()
    await eventually(bff.audit.exists, "the audit log")

    modes = {path.name: oct(path.stat().st_mode & 0o077) for path in (bff.audit, *bff.folder.glob("sessions.db*"))}
    assert len(modes) > 1
    assert {"0o0"} == set(modes.values()), modes


async def test_user_endpoint_shows_allowed_claims_and_no_token(bff: Bff):
    """An allow-list, not what happens to be in the ID token (browser-based apps §6.1.2.1)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        user = await browser.user()

    assert {"sub", "name", "email", "roles", "session", "logout_url"} == set(user)
    assert {"id", "expires_in", "idle_expires_in"} == set(user["session"])
    assert "eyJ" not in json.dumps(user)
    assert user["session"]["id"] not in browser.session_cookie

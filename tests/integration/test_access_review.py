"""`bff access review` on what a running server with two workers has seen."""

import csv
import io
import json

import httpx
import pytest
import redis

from tests.product import Browser
from tests.servers import start_valkey
from tests.world import World

TOKEN = "an-operators-token-that-is-long-enough-for-it"

pytestmark = pytest.mark.integration


def routes(api) -> str:
    return f"""
[[api]]
path = "/api"
upstream = "{api.url}"
allow = [
  {{ methods = ["GET"], roles = ["reader"] }},
  {{ methods = ["DELETE"], roles = ["admin"] }},
]

[review]
interval = "90d"

[admin]
token = "{TOKEN}"
"""


def review(bff, *arguments: str, **options) -> str:
    """What the command prints; it must end well."""
    done = bff.command("access", "review", *arguments, **options)
    assert 0 == done.returncode, done.stderr
    return done.stdout


def dump_of(bff, valkey) -> bytes:
    """Everything that lies in the stores."""
    files = b"".join(file.read_bytes() for file in bff.folder.glob("sessions.db*"))
    with redis.Redis.from_url(valkey.url) as client:
        keys = list(client.scan_iter())
        values = [client.hvals(key) for key in keys if client.type(key) == b"hash"]
        return b"\n".join([files, *keys, *(value for each in values for value in each)])


@pytest.mark.parametrize("kind", ["sqlite", "valkey"])
async def test_review_shows_who_was_seen_by_two_workers_and_records_what_is_decided(world: World, kind: str):
    """Logins, uses and what they needed; a review ends sessions; no name lies in the store in clear."""
    with (
        start_valkey() as valkey,
        world.build(
            world.issuer,
            port=world.port(),
            workers=2,
            apis=routes(world.api),
            store=valkey.url if kind == "valkey" else None,
        ) as bff,
    ):
        async with Browser(bff) as alice, Browser(bff) as bob:
            await alice.log_in("alice")
            await bob.log_in("bob")
            for _ in range(8):
                assert 200 == (await alice.get("/api/whoami")).status_code
                assert 200 == (await bob.get("/api/whoami", headers={"connection": "close"})).status_code
            bff.stop()  # writes what the last minute brought

            seen = {item["subject"]: item for item in json.loads(review(bff, "--format", "json"))}
            assert {"alice", "bob"} == set(seen)
            assert [1, 1] == [item["live_sessions"] for item in seen.values()]
            assert all(item["last_login_at"] <= item["last_use_at"] for item in seen.values())
            assert ["/api"] == [opening["route"] for opening in seen["bob"]["opens"]]
            assert "role_never_needed:admin" in seen["alice"]["findings"]
            assert [] == seen["bob"]["findings"]
            table = review(bff, "--sub", "bob", "--since", "1h")
            assert "reader: claim" in table
            assert "1 subject; never reviewed yet; the review is due on" in table

            decided = {"note": "spot check", "decisions": [{"subject": "bob", "decision": "revoke"}]}
            said = review(bff, "--record", "-", "--by", "carol", given=json.dumps(decided))
            assert "recorded: 0 kept, 1 revoked\n" == said
            assert "carol  0 kept, 1 revoked: spot check\n1 review\n" in review(bff, "--history")
            (recorded,) = bff.audited("review.recorded")
            assert ("carol", 1) == (recorded["operator"], recorded["revoked"])
            bff.start()
            assert [200, 401] == [(await browser.get("/api/whoami")).status_code for browser in (alice, bob)]

            async with httpx.AsyncClient(
                headers={"authorization": f"Bearer {TOKEN}"}, verify=False, timeout=30
            ) as operator:
                download = await operator.get(f"{bff.management_url}/admin/review.csv")
                worksheet = (await operator.get(f"{bff.management_url}/admin/review?q=bob")).json()
            lines = csv.DictReader(io.StringIO(download.text))
            assert {"alice": "", "bob": "revoke"} == {line["subject"]: line["decision"] for line in lines}
            assert [("bob", "revoke", 0)] == [
                (item["subject"], item["decision"], item["live_sessions"]) for item in worksheet["items"]
            ]

            dump = dump_of(bff, valkey)
            assert [] == [word for word in (b"alice", b"bob", b"reader", b"carol", b"spot check") if word in dump]

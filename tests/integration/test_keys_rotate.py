"""`bff keys rotate` on a running server: a new key in front, all sealed anew as it is used, the old key dropped."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from bff.crypto.key_ring import KeyRing
from tests.product import Bff, Browser
from tests.world import NegIssuer, World, eventually, until

pytestmark = pytest.mark.integration

LONG = 90.0  # seconds; running servers look every five
ON_EXPIRY = 'renew_ahead = "0s"'


def written_long_ago(bff: Bff) -> None:
    """A key seals ninety seconds after it was written, when every machine has it: as if that were now."""
    then = time.time() - 100
    os.utime(bff.keys, (then, then))


def adopted(bff: Bff, keys: int) -> int:
    """How many processes have so many keys, and seal with the newest."""
    newest = KeyRing(bff.keys.read_text().split()).sealing_id
    lines = [json.loads(line) for line in bff.output().splitlines() if '"keys.adopted"' in line]
    return sum((line["keys"], line["sealing"]) == (keys, newest) for line in lines)


async def test_key_is_rotated_and_the_old_one_dropped_while_the_server_runs(world: World, neg: NegIssuer):
    """Whoever is signed in stays so, on both workers; what only the old key opens is nothing at the end."""
    with world.build(neg, session=ON_EXPIRY, workers=2) as bff:
        # One that starts only now has the new key from the beginning, and adopts none.
        await eventually(lambda: 3 == bff.output().count("jwks_fetched"), "both workers and what renews", LONG)
        async with Browser(bff) as browser:
            neg.op.access_token_lifetime = 2
            callback = neg.op.login(await browser.begin_login())
            assert 303 == (await browser.navigate(callback, cross_site=True)).status_code
            issued_at = time.time()
            neg.op.access_token_lifetime = 300
            old = browser.twin()

            command = [sys.executable, "-c", "from bff.cli import main; main()", "keys", "rotate", str(bff.keys)]
            rotated = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True)
            written_long_ago(bff)
            await eventually(lambda: 3 == adopted(bff, 2), "the new key with both workers and what renews", LONG)

            assert "holds 2 keys now" in rotated.stderr
            assert 200 == (await browser.get("/echo/x")).status_code
            await until(issued_at + 2.1)
            assert await browser.user() is not None  # renews: the record is sealed anew, and so is the cookie
            assert old.session_cookie != browser.session_cookie

            newest, _ = bff.keys.read_text().split()
            bff.keys.write_text(newest + "\n")
            await eventually(lambda: 3 == adopted(bff, 1), "the end of the old key in all three", LONG)

            # Workers that know a session go on with its old cookie for half a minute. New ones open everything.
            before = set(bff.worker_pids())
            bff.process.signal(signal.SIGHUP)
            await eventually(
                lambda: len(now := set(bff.worker_pids())) == 2 and before.isdisjoint(now), "SIGHUP", LONG
            )
            assert [200] * 8 == [(await browser.get("/echo/x")).status_code for _ in range(8)]
            assert 401 == (await old.get("/echo/x")).status_code
            assert 1 == neg.op.count("token", grant_type="refresh_token")

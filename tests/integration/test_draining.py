"""A worker that stops: unready, deaf to new connections, and done with those that it has."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from bff.cli.draining import QUIET, Draining
from bff.cli.listening import PublicSockets, listens
from tests.echo import CLOSE, Echo, Gate
from tests.product import Browser
from tests.world import NegIssuer, World, eventually

pytestmark = pytest.mark.integration

LONG = 60.0  # seconds that nothing here takes


# ── the sockets ──────────────────────────────────────────────────────────────────────────────────────────


def test_server_that_stops_listening_serves_whom_it_has():
    """New connections are refused, as if nobody were there; the old ones go on; others' sockets are left alone."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        address = server.getsockname()
        sockets = PublicSockets(f"127.0.0.1:{address[1]}")
        assert not sockets.is_connected()
        with socket.create_connection(address) as client:
            accepted, _ = server.accept()
            with accepted:
                sockets.stop_listening()

                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(address)
                client.sendall(b"hello")
                assert b"hello" == accepted.recv(5)
                assert sockets.is_connected()
                socket.create_connection(other.getsockname()).close()
        assert not sockets.is_connected()


def test_unix_socket_is_let_go_by_one_worker_alone():
    """Workers share it: the others go on taking connections."""
    with TemporaryDirectory(prefix="bff-") as folder, socket.socket(socket.AF_UNIX) as server:
        path = str(Path(folder, "public.sock"))
        server.bind(path)
        server.listen()
        code = f"from bff.cli.listening import PublicSockets; PublicSockets('unix:{path}').stop_listening()"
        subprocess.run([sys.executable, "-c", code], check=True, pass_fds=[server.fileno()])

        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            accepted, _ = server.accept()
            with accepted:
                assert PublicSockets(f"unix:{path}").is_connected()
        assert not PublicSockets(f"unix:{path}").is_connected()


def test_who_listens_can_be_found_out():
    """By the process and its port; not a socket that is merely bound, nor another process's."""
    with socket.socket() as one, socket.socket() as bound:
        one.bind(("127.0.0.1", 0))
        bound.bind(("127.0.0.1", 0))
        port, silent = (each.getsockname()[1] for each in (one, bound))
        before = listens(os.getpid(), port)
        one.listen()

        assert (False, True, False) == (before, listens(os.getpid(), port), listens(os.getpid(), silent))
        assert not listens(os.getppid(), port)
        assert listens(2**22 + 1, port) is None


# ── the last answers ─────────────────────────────────────────────────────────────────────────────────────


async def call(app: Draining, version: str = "1.1") -> list[tuple[bytes, bytes]]:
    """The headers of the answer."""
    sent = []

    async def send(message):
        sent.append(message)

    await app({"type": "http", "http_version": version}, None, send)
    return sent[0]["headers"]


async def hello(_scope, _receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def test_last_answers_say_that_their_connection_closes():
    """RFC 9112 §9.6; not for HTTP/2, which has a frame for that (RFC 9113 §8.2.2)."""
    app = Draining(hello, lambda: True)
    before = await call(app)
    app.close_connections()

    assert [(b"x", b"y")] == before
    assert [(b"x", b"y"), (b"connection", b"close")] == await call(app)
    assert [(b"x", b"y")] == await call(app, "2")


async def test_worker_is_quiet_when_no_request_comes_any_more():
    """Not while one is being answered, nor right after it; at once when nobody is connected."""
    gate = asyncio.Event()
    connected = True

    async def slow(scope, receive, send) -> None:
        await gate.wait()
        await hello(scope, receive, send)

    app = Draining(slow, lambda: connected)
    app.close_connections()
    answering = asyncio.create_task(call(app))
    quiet = asyncio.create_task(app.quiet())
    await asyncio.sleep(2 * QUIET)
    assert not quiet.done()
    gate.set()
    await answering
    await asyncio.wait_for(quiet, LONG)

    connected = False
    await asyncio.wait_for(app.quiet(), LONG)


# ── the product ──────────────────────────────────────────────────────────────────────────────────────────


async def test_worker_is_unready_while_it_still_takes_what_comes(world: World):
    """`drain_delay`: readiness fails first; calls are answered meanwhile, each with the end of its connection."""
    with world.build(world.issuer, api=world.api, port=world.port(), server='drain_delay = "600s"') as bff:
        async with Browser(bff) as browser, httpx.AsyncClient(verify=False) as http:
            await browser.log_in("alice")
            kept = await browser.get("/api/whoami")
            bff.process.signal(signal.SIGTERM)

            async def unready() -> bool:
                return 503 == (await http.get(f"{bff.management_url}/health/ready")).status_code

            await eventually(unready, "the failing readiness", LONG)
            last = await browser.get("/api/whoami")
            async with Browser(bff) as new:
                new.cookies.update(browser.cookies)
                fresh = await new.get("/bff/user")

        assert [(200, None), (200, "close"), (200, "close")] == [
            (answer.status_code, answer.headers.get("connection")) for answer in (kept, last, fresh)
        ]
        bff.kill()


async def test_request_and_renewal_under_way_are_finished(world: World, neg: NegIssuer, echo: Echo):
    """SIGTERM in the middle of both: answers come whole, the rotated token is written, and the exit status is 0."""
    env = {"BFF__SERVER__SHUTDOWN_TIMEOUT": "60s"}
    with world.build(neg, session='renew_ahead = "0s"', env=env) as bff:
        async with Browser(bff) as browser, Browser(bff) as other:
            neg.op.access_token_lifetime = 1
            callback = neg.op.login(await browser.begin_login())
            assert 303 == (await browser.navigate(callback, cross_site=True)).status_code
            other.cookies.update(browser.cookies)
            gate = Gate()
            echo.script(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nwh", gate, b"ole\n", CLOSE)
            slow = asyncio.create_task(other.get("/anonymous/x"))
            await eventually(lambda: echo.requests, "the slow request", LONG)
            await asyncio.sleep(1.1)  # the token's life
            neg.op.access_token_lifetime = 300
            held = neg.op.hold("token")
            renewing = asyncio.create_task(browser.get("/echo/x"))
            await eventually(lambda: 1 == neg.op.count("token", grant_type="refresh_token"), "the grant", LONG)

            bff.process.signal(signal.SIGTERM)
            await eventually(lambda: _is_deaf(bff.port), "the end of listening", LONG)
            neg.open(held)
            gate.open()

            assert 200 == (await asyncio.wait_for(renewing, LONG)).status_code
            assert "whole\n" == (await asyncio.wait_for(slow, LONG)).text
            assert 0 == await asyncio.to_thread(bff.process.wait_for_exit, 2 * LONG)
            bff.restart()
            async with Browser(bff) as again:
                again.cookies.update(browser.cookies)
                assert 200 == (await again.get("/echo/x")).status_code
            assert 1 == neg.op.count("token", grant_type="refresh_token")


def _is_deaf(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=LONG).close()
    except ConnectionRefusedError:
        return True
    return False


async def test_signal_reaches_a_worker_that_is_still_being_loaded(world: World):
    """It holds no shutdown up: what a killed worker is replaced by has nothing to finish yet."""
    env = {"BFF__SERVER__SHUTDOWN_TIMEOUT": "600s"}
    with world.build(world.issuer, api=world.api, port=world.port(), workers=2, env=env) as bff:
        before = set(bff.worker_pids())
        os.kill(min(before), signal.SIGKILL)
        await eventually(
            lambda: len(bff.worker_pids()) == 2 and before != set(bff.worker_pids()), "the new one", LONG
        )
        bff.process.signal(signal.SIGTERM)

        assert 0 == await asyncio.to_thread(bff.process.wait_for_exit, 2 * LONG)

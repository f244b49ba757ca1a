"""The servers that are compared, each pinned to the measured core, each with what a request to it must carry."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.bare import COOKIE, seal
from benchmarks.machine import command, is_python, started_on, tree
from benchmarks.nginx import Nginx
from tests.processes import ServerProcess, reserve_port
from tests.product import Bff, Browser, redirect_uris, start_product
from tests.servers import Issuer, Server, start_issuer, start_valkey

_TOKEN = b"t" * 700  # as long as a usual JWT access token


@dataclass(frozen=True, slots=True)
class Candidate:
    """One server, ready for load."""

    name: str
    url: str
    headers: Mapping[str, str]
    pid: int  # of its main process

    def processes(self) -> list[int]:
        """Its processes now: main and workers."""
        return tree(self.pid)


class Bare(Server):
    """The bare prototype on granian, one worker."""

    def __init__(self, api: Nginx) -> None:
        self._api = api
        self._key = os.urandom(32)
        self.port = reserve_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.cookie = f"{COOKIE.decode()}={seal(self._key, _TOKEN)}"
        self.start()

    def start(self) -> None:
        options = ["--interface", "asgi", "--loop", "uvloop", "--no-ws", "--workers", "1", "--no-log"]
        self.process = ServerProcess(
            [sys.executable, "-m", "granian", *options, "--port", str(self.port), "benchmarks.bare:app"],
            env={"BARE_UPSTREAM": self._api.url, "BARE_KEY": self._key.hex()},
        )
        self.process.wait_for_port(self.port)


@contextmanager
def issuer_for(ports: list[int], **config: object) -> Iterator[Issuer]:
    """An issuer that knows a BFF on each of these ports."""
    known = [redirect_uris(port) for port in ports]
    uris = {name: [uri for each in known for uri in each[name]] for name in known[0]}
    with start_issuer(**uris, **config) as issuer:
        yield issuer


def workers_of(pid: int) -> list[int]:
    """The processes that serve, given the main process of a `bff run`."""
    return [each for each in tree(pid)[1:] if is_python(each) and "resource_tracker" not in command(each)]


def worker_of(candidate: Candidate) -> int:
    """The first of them."""
    return workers_of(candidate.pid)[0]


async def signed_in(stack: AsyncExitStack, name: str, bff: Bff) -> Candidate:
    """Log a user in, and make it a candidate with that session."""
    browser = await stack.enter_async_context(Browser(bff))
    await browser.log_in("alice")
    cookie = f"__Host-bff={browser.session_cookie}"
    headers = {"Host": f"localhost:{bff.port}", "Cookie": cookie}
    return Candidate(name, f"http://127.0.0.1:{bff.port}/api/tasks", headers, bff.process.pid)


async def start_bffs(stack: AsyncExitStack, api: Nginx, core: set[int], stores: list[str]) -> list[Candidate]:
    """One BFF for each store ("memory", "sqlite", "valkey"), one worker each, a user signed in at each."""
    ports = {store: reserve_port() for store in stores}
    issuer = stack.enter_context(issuer_for(list(ports.values()), ttl={"access_token": 3600}))
    found = []
    for store, port in ports.items():
        url = {"memory": "memory:", "sqlite": None}.get(store)
        if store == "valkey":
            url = stack.enter_context(start_valkey()).url
        with started_on(core):
            bff = stack.enter_context(start_product(issuer, api, port=port, store=url, tokens=_LONG_LIVED))
        found.append(await signed_in(stack, f"bff ({store})", bff))
    return found


_LONG_LIVED = 'max_access_token_lifetime = "2h"'  # no renewal during the measurement

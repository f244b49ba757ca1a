"""What the tests of the whole product share: servers that start once for each test process, when first asked for.

Fixtures (see `fixtures` in this package's conftest files) hand them out clean: no faults, no counts, no scripts.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from functools import cached_property
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.echo import Echo
from tests.neg_op import NegOp
from tests.neg_op_server import serve
from tests.processes import reserve_port
from tests.product import Bff, redirect_uris
from tests.servers import DemoApi, Issuer, Valkey, start_demo_api, start_issuer, start_valkey

PATIENCE = 30.0  # seconds that a test waits for what must come
AT_ONCE = 15.0  # seconds for what takes milliseconds, unless the machine is busy; far less than without a push
BRIEF = 3  # seconds that access tokens of the brief issuer live
AUDIENCE = "https://api.demo.example"
_PORTS = 112  # addresses of BFFs that the issuers know: more than all tests take, should one process run them


def routes(echo: str, api: str) -> str:
    """One `[[api]]` for each thing that a route can be."""
    return f"""
[[api]]
path = "/api"
upstream = "{api}"

[[api]]
path = "/echo"
upstream = "{echo}/base"

[[api]]
path = "/root"
upstream = "{echo}"
token = "none"

[[api]]
path = "/optional"
upstream = "{echo}/optional"
token = "user_optional"

[[api]]
path = "/anonymous"
upstream = "{echo}/anonymous"
token = "none"

[[api]]
path = "/guarded"
upstream = "{echo}/guarded"
allow = [
  {{ methods = ["GET"], roles = ["reader", "admin"] }},
  {{ methods = ["DELETE"], roles = ["admin"] }},
]

[[api]]
path = "/impatient"
upstream = "{echo}"
timeout = "500ms"

[[api]]
path = "/down"
upstream = "http://127.0.0.1:9"

[[api]]
path = "/small"
upstream = "{echo}"
max_body_size = "1KiB"

[[api]]
path = "/download"
upstream = "{echo}"
csrf = "origin"

[[api]]
path = "/cookies"
upstream = "{echo}"
allow_set_cookie = true
forward_cookies = ["theme"]
"""


class NegIssuer:
    """The provider that can be told to lie, on a socket, in a thread with an event loop of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._people = count()
        started: Future[NegOp] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        self.op = started.result(10)
        self.url = self.op.issuer

    def open(self, gate: asyncio.Event) -> None:
        """Let go of the answers that `op.hold` holds."""
        self._loop.call_soon_threadsafe(gate.set)

    def reset(self) -> None:
        """Make it honest again."""
        fresh = NegOp(issuer=self.url, access_token_audience=AUDIENCE)
        for gate in self.op._gates.values():
            self.open(gate)
        fresh._logins = self.op._logins  # no session id of the issuer's is ever given twice
        fresh.sub = f"alice-{next(self._people)}"  # a logout of one test's person says nothing about the next one's
        self.op.__dict__.update(fresh.__dict__)
        self.op._desk._op = self.op

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    client_id = NegOp.client_id
    client_secret = NegOp.client_secret
    audience = AUDIENCE

    def _run(self, started: "Future[NegOp]") -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(started))
        self._loop.close()

    async def _serve(self, started: "Future[NegOp]") -> None:
        async with serve(NegOp(access_token_audience=AUDIENCE)) as op:
            started.set_result(op)
            await self._stop.wait()


class World:
    """The servers of one test process."""

    def __init__(self) -> None:
        self._exit = ExitStack()
        self._ports = [reserve_port() for _ in range(_PORTS)]
        self._main_port, self._brief_port = reserve_port(), reserve_port()
        self._known = [redirect_uris(port) for port in (*self._ports, self._main_port, self._brief_port)]

    def close(self) -> None:
        self._exit.close()

    def port(self) -> int:
        """A port whose BFF both issuers know."""
        return self._ports.pop()

    def _issuer(self, backchannel_port: int, lifetime: int) -> Issuer:
        known = self._known
        return self._exit.enter_context(
            start_issuer(
                ttl={"access_token": lifetime},
                backchannel_logout_uri=f"http://localhost:{backchannel_port}/bff/backchannel-logout",
                **{key: [uri for uris in known for uri in uris[key]] for key in known[0]},
            )
        )

    @cached_property
    def issuer(self) -> Issuer:
        return self._issuer(self._main_port, 300)

    @cached_property
    def brief_issuer(self) -> Issuer:
        """Its access tokens live for BRIEF seconds."""
        return self._issuer(self._brief_port, BRIEF)

    @cached_property
    def api(self) -> DemoApi:
        return self._exit.enter_context(start_demo_api(self.issuer, DEMO_API_TICK="0.2"))

    @cached_property
    def brief_api(self) -> DemoApi:
        return self._exit.enter_context(start_demo_api(self.brief_issuer))

    @cached_property
    def echo(self) -> Echo:
        return self._exit.enter_context(Echo())

    @cached_property
    def valkey(self) -> Valkey:
        return self._exit.enter_context(start_valkey(durable=True))

    @cached_property
    def private_valkey(self) -> Valkey:
        """One that tests may stop and pause; it keeps what it has been told."""
        return self._exit.enter_context(start_valkey(durable=True))

    @cached_property
    def neg(self) -> NegIssuer:
        neg = NegIssuer()
        self._exit.callback(neg.close)
        return neg

    @cached_property
    def app(self) -> Path:
        """A tiny single-page app."""
        folder = Path(self._exit.enter_context(TemporaryDirectory()))
        (folder / "index.html").write_text("<!doctype html><title>App</title>")
        (folder / "app.js").write_text("console.log(1)")
        return folder

    @cached_property
    def bff(self) -> Bff:
        """The product before the real issuer, the demo API and the echo, with a route of every kind."""
        return self.start(self.issuer, port=self._main_port, api=self.api, spa=str(self.app))

    @cached_property
    def brief_bff(self) -> Bff:
        """Four workers before the brief issuer, which renew tokens among themselves when they have expired."""
        return self.start(
            self.brief_issuer,
            port=self._brief_port,
            api=self.brief_api,
            workers=4,
            session='renew_ahead = "0s"',
            server="renewal_process = false",
        )

    @cached_property
    def neg_bff(self) -> Bff:
        """The product before the lying issuer; /echo is its API."""
        return self.start(self.neg, session='renew_ahead = "0s"', log='level = "debug"')

    def start(self, issuer: Any, *, api: Any = None, **options: Any) -> Bff:
        """A further BFF with all routes, which lives as long as the test process."""
        return self._exit.enter_context(self.build(issuer, api=api, **options))

    def build(self, issuer: Any, *, api: Any = None, **options: Any) -> Bff:
        """A further BFF with all routes, for a `with` statement."""
        options.setdefault("apis", routes(self.echo.url, api.url if api is not None else self.echo.url))
        return Bff(issuer, None, **options)


_WORLD = pytest.StashKey[World]()


def world_of(config: pytest.Config) -> World:
    """The one world of this test process."""
    if _WORLD not in config.stash:
        config.stash[_WORLD] = World()
        config.add_cleanup(config.stash[_WORLD].close)
    return config.stash[_WORLD]


async def eventually(
    holds: Callable[[], object] | Callable[[], Awaitable[object]], what: str = "it", within: float = PATIENCE
) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: it does not within so many seconds.
    """
    deadline = time.monotonic() + within
    while True:
        outcome = holds()
        if isinstance(outcome, Awaitable):
            outcome = await outcome
        if outcome:
            return
        assert time.monotonic() < deadline, f"{what} did not come about within {within} s"
        await asyncio.sleep(0.02)


async def until(epoch: float) -> None:
    """Wait for a point in time, as of the wall clock."""
    await asyncio.sleep(max(0.0, epoch - time.time()))


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    return world_of(request.config)


@pytest.fixture
def echo(world: World) -> Iterator[Echo]:
    """The upstream that remembers, empty."""
    world.echo.reset()
    yield world.echo
    world.echo.reset()


@pytest.fixture
async def issuer(world: World) -> Issuer:
    """The real issuer, with its counters at zero and no fault planned."""
    await world.issuer.reset()
    return world.issuer


@pytest.fixture
def bff(world: World, issuer: Issuer, echo: Echo) -> Bff:
    """The product, with everything behind it as new."""
    return world.bff


@pytest.fixture
def neg(world: World) -> Iterator[NegIssuer]:
    """The issuer that can be told to lie, honest."""
    world.neg.reset()
    yield world.neg
    world.neg.reset()


@pytest.fixture
def neg_bff(world: World, neg: NegIssuer, echo: Echo) -> Bff:
    """The product before the issuer that can be told to lie."""
    return world.neg_bff


@pytest.fixture
async def brief(world: World, echo: Echo) -> Bff:
    """The product with four workers before an issuer whose access tokens live for BRIEF seconds."""
    first_time = "brief_bff" not in world.__dict__
    bff = world.brief_bff
    if first_time:
        await eventually(lambda: 4 == bff.output().count("jwks_fetched"), "the start of all workers")
    await world.brief_issuer.reset()
    return bff

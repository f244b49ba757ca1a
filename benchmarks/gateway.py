"""What a gateway's question costs, and nginx that asks beside our own forwarding.

The questions are as deploy/nginx/gateway.conf puts them. CPU time of all processes that take part, of nginx and bff
together where both do.
"""

import secrets
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.load import BROWSER, Load, asked_by_nginx, run_wrk
from benchmarks.machine import cores, cpu_seconds, started_on
from benchmarks.nginx import Nginx, start_api, start_reverse_proxy
from benchmarks.servers import Candidate, issuer_for, signed_in
from benchmarks.tables import print_table
from tests.processes import ROOT, ServerProcess, reserve_port
from tests.product import start_product
from tests.servers import Server

CONNECTIONS = 32
TARGET = 35.0  # CPU microseconds of bff for one question
_GATEWAY = """
  upstream bff { server 127.0.0.1:BFF; keepalive 64; keepalive_requests 1000000000; }
  upstream api { server 127.0.0.1:API; keepalive 64; keepalive_requests 1000000000; }
  map $http_upgrade $bff_connection { default upgrade; '' ''; }
  map $upstream_http_cache_control $bff_cache_control { default ''; '' no-store; }
  map $request_uri $api_uri { ~^/api(?<rest>.*)$ $rest; }
  server {
    listen 127.0.0.1:PORT;
    location /api/ { include EACH; proxy_pass http://api$api_uri; }
    QUESTION
    location @bff_refused { return 403; }
    location @bff_away { return 503; }
  }
"""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to be measured, and whose CPU time counts."""

    candidate: Candidate
    others: tuple[int, ...] = ()  # further main processes

    def processes(self) -> list[int]:
        return [pid for main in (self.candidate.pid, *self.others) for pid in _tree(main)]


class Floor(Server):
    """granian alone."""

    def __init__(self) -> None:
        self.port = reserve_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        options = ["--interface", "asgi", "--loop", "uvloop", "--no-ws", "--workers", "1", "--no-log"]
        self.process = ServerProcess(
            [sys.executable, "-m", "granian", *options, "--port", str(self.port), "benchmarks.floor:app"]
        )
        self.process.wait_for_port(self.port)


def _tree(pid: int) -> list[int]:
    return Candidate("", "", {}, pid).processes()


def _question(secret: str, folder: Path) -> str:
    """The location of deploy/nginx/gateway.conf that asks."""
    text = (ROOT / "deploy" / "nginx" / "gateway.conf").read_text()
    begin = text.index("    location = /bff/authorize {")
    question = text[begin : text.index("\n    }\n", begin) + len("\n    }\n")]
    file = folder / "secret.conf"
    file.write_text(f'proxy_set_header X-BFF-Gateway "{secret}";\n')
    return question.replace("/etc/nginx/bff-secret.conf", str(file))


def _write_secret(folder: Path, secret: str) -> None:
    folder.chmod(0o755)  # nginx reads in it, and may be somebody else
    file = folder / "gateway.secret"
    file.write_text(secret)
    file.chmod(0o600)


def _config(*, bff: int, api: int, question: str) -> str:
    """What `Nginx` takes, which puts the port in."""
    each = ROOT / "deploy" / "nginx" / "gateway-api.conf"
    text = _GATEWAY.replace("BFF", str(bff)).replace("API", str(api)).replace("EACH", str(each))
    escaped = text.replace("QUESTION", question).replace("{", "{{").replace("}", "}}")
    return escaped.replace("PORT", "{port}")


async def ways(stack: AsyncExitStack, core: set[int], others: set[int]) -> list[tuple[Way, dict[str, str]]]:
    """Everything that is measured, with the headers of its requests."""
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="gateway-")))
    secret, port = secrets.token_urlsafe(32), reserve_port()
    _write_secret(folder, secret)
    issuer = stack.enter_context(issuer_for([port], ttl={"access_token": 3600}))
    with started_on(others):
        api = stack.enter_context(start_api())
    table = f'[gateway]\nkind = "nginx"\nsecrets = [{{ file = "{folder}/gateway.secret" }}]\n'
    with started_on(core):
        bare = stack.enter_context(start_reverse_proxy(api))
        floor = stack.enter_context(Floor())
        bff = stack.enter_context(
            start_product(
                issuer, api, port=port, store="memory:", tokens='max_access_token_lifetime = "2h"', extra=table
            )
        )
        nginx = stack.enter_context(Nginx(_config(bff=port, api=api.port, question=_question(secret, folder))))
    user = await signed_in(stack, "bff forwards", bff)
    browser, question = {**BROWSER, **user.headers}, asked_by_nginx({**BROWSER, **user.headers}, secret)

    def way(name: str, url: str, server: Server, *beside: int) -> Way:
        return Way(Candidate(name, url, {}, server.process.pid), beside)

    return [
        (way("granian alone, for comparison", floor.url + "/", floor), question),
        (way("a question to bff", f"http://127.0.0.1:{port}/bff/authorize", bff), question),
        (way("nginx, nobody is asked", bare.url + "/api/tasks", bare), browser),
        (way("nginx asks bff", nginx.url + "/api/tasks", nginx, bff.process.pid), browser),
        (Way(user), browser),
    ]


async def run(*, rounds: int, seconds: float) -> None:
    """Measure and print."""
    core, others = cores()
    async with AsyncExitStack() as stack:
        found = await ways(stack, core, others)
        seen: dict[str, list[tuple[Load, float]]] = {way.candidate.name: [] for way, _ in found}
        for number in range(rounds + 1):
            sys.stderr.write(f"\rgateway: round {number} of {rounds} ")
            for way, headers in found:
                before = cpu_seconds(way.processes())
                with started_on(others):
                    load = run_wrk(way.candidate.url, headers, connections=CONNECTIONS, seconds=seconds)
                spent = cpu_seconds(way.processes()) - before
                if number:  # the first one opens connections and warms up
                    seen[way.candidate.name].append((load, spent / load.requests))
        sys.stderr.write("\r" + " " * 40 + "\r")
    _print(seen, rounds, seconds)


def _print(seen: dict[str, list[tuple[Load, float]]], rounds: int, seconds: float) -> None:
    forwarding = seen["bff forwards"]

    def row(name: str, measured: Sequence[tuple[Load, float]]) -> list[str]:
        cpu = [each * 1e6 for _, each in measured]
        ratio = median(ours / theirs for (_, ours), (_, theirs) in zip(measured, forwarding, strict=True))
        return [
            name,
            f"{median(load.requests / load.duration for load, _ in measured):.0f}",
            f"{median(load.p50 for load, _ in measured) * 1e3:.2f}",
            f"{median(load.p99 for load, _ in measured) * 1e3:.2f}",
            f"{median(cpu):.1f}",
            f"{min(cpu):.1f}-{max(cpu):.1f}",
            f"{ratio:.2f}",
        ]

    print_table(
        f"Gateway mode, {CONNECTIONS} connections, all that is measured on one core; "
        f"medians of {rounds} interleaved rounds of {seconds:g} s",
        ["", "req/s", "p50 ms", "p99 ms", "CPU us/req", "range", "x forwarding"],
        [row(name, measured) for name, measured in seen.items()],
    )
    print(f"Target: at most {TARGET:g} us of bff for a question.")

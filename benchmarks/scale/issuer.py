"""The stub issuer as a process, as the product is told of it."""

import json
import sys
from urllib.request import urlopen

from benchmarks.scale.tokens import AUDIENCE, CLIENT_ID
from tests.processes import ServerProcess, reserve_port
from tests.servers import Server


class StubIssuerServer(Server):
    """On granian, one process."""

    client_id = CLIENT_ID
    client_secret = "a-secret-for-benchmarks"
    audience = AUDIENCE

    def __init__(self, *, delay: float, lifetime: float) -> None:
        """`delay` is what every grant takes, `lifetime` how long its tokens live: seconds."""
        self._port = reserve_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._env = {
            "SCALE_ISSUER_URL": self.url,
            "SCALE_ISSUER_DELAY": str(delay * 1e3),
            "SCALE_ISSUER_LIFETIME": str(lifetime),
        }
        self.start()

    def start(self) -> None:
        options = ["--interface", "asginl", "--loop", "uvloop", "--no-ws", "--workers", "1", "--no-log"]
        where = ["--port", str(self._port), "benchmarks.scale.stub_issuer:app"]
        self.process = ServerProcess([sys.executable, "-m", "granian", *options, *where], env=self._env)
        self.process.wait_for_port(self._port)

    def seen(self) -> dict[str, int]:
        """How often each grant was asked for, how many at once at most, and refresh tokens used twice."""
        with urlopen(f"{self.url}/seen") as answer:
            seen: dict[str, int] = json.load(answer)
        return seen

"""The real Prometheus: scrapes what it is told to, often, and answers queries."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from frontend_example.demo.set_up import PROMETHEUS, PROMTOOL
from tests.processes import ServerFailed, ServerProcess, reserve_port
from tests.servers import Server

PATIENCE = 60.0  # seconds
EVERY = "1s"  # how often it scrapes, how long that may take, and how often it looks at its rules


class Prometheus(Server):
    """Watches bff's management listeners, by the rules that we ship. `url` is its API."""

    def __init__(self, targets: Sequence[str], rules: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="prometheus-"))
        self._targets = [urlsplit(target).netloc for target in targets]
        self._rules = rules
        self.start()

    def start(self) -> None:
        port = reserve_port()
        self.url = f"http://127.0.0.1:{port}"
        configuration = self.folder / "prometheus.yml"
        # JSON is YAML as well.
        configuration.write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
                    "rule_files": [str(self._rules)],
                    "scrape_configs": [{"job_name": "bff", "static_configs": [{"targets": self._targets}]}],
                }
            )
        )
        self.process = ServerProcess(
            [
                program(PROMETHEUS),
                f"--config.file={configuration}",
                f"--storage.tsdb.path={self.folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            cwd=self.folder,
        )
        self.process.wait_for_port(port)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        """It listens before it has read its (empty) log of samples, and answers with 503 until then."""
        deadline = time.monotonic() + PATIENCE
        with httpx.Client(base_url=self.url, trust_env=False, verify=False, timeout=PATIENCE) as client:
            while client.get("/-/ready").status_code != 200:
                if time.monotonic() > deadline or not self.process.is_running:
                    raise ServerFailed(f"Prometheus did not get ready:\n{self.process.output}")
                time.sleep(0.05)

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def ask(self, path: str, **parameters: str) -> Any:
        """Returns the `data` of an answer of its API.

        Raises:
            ServerFailed: it refused; a query that it does not understand is told with its reason.
        """
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=False, timeout=PATIENCE) as client:
            answer = await client.get(f"/api/v1/{path}", params=parameters)
        if answer.status_code != 200:
            raise ServerFailed(f"{path} {parameters}: {answer.text}")
        return answer.json()["data"]

    async def values(self, query: str) -> list[float]:
        """What a query amounts to now, a number for each series."""
        answer = await self.ask("query", query=query)
        if answer["resultType"] == "scalar":
            return [float(answer["result"][1])]
        return [float(series["value"][1]) for series in answer["result"]]


def check_rules(rules: Path) -> str:
    """What promtool says of a file of rules; it ends well only when they are all right."""
    checked = subprocess.run(
        [program(PROMTOOL), "check", "rules", rules], capture_output=True, text=True, check=False
    )
    assert 0 == checked.returncode, checked.stdout + checked.stderr
    return checked.stdout


def program(fetched: Path) -> str:
    """The one on PATH, or the one that `set_up.py prometheus` has fetched."""
    found = shutil.which(fetched.name) or shutil.which(fetched)
    if found is None:
        raise ServerFailed(f"{fetched.name} is missing: `frontend_example/demo/set_up.py prometheus` fetches it")
    return found

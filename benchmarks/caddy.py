"""Caddy as a bare reverse proxy, the other one that we are compared with."""

import json
import shutil
import tempfile
from pathlib import Path

from benchmarks.nginx import Nginx
from tests.processes import ServerFailed, ServerProcess, reserve_port
from tests.servers import Server


class Caddy(Server):
    """One Caddy: /api/ goes to the API, nothing is checked, nothing is logged; one core's worth of threads."""

    def __init__(self, api: Nginx) -> None:
        program = shutil.which("caddy", path="/usr/bin:/usr/local/bin")
        if program is None:
            raise ServerFailed("Caddy is not installed: `apt-get install caddy`")
        self._program = program
        self.port = reserve_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = tempfile.mkdtemp(prefix="caddy-")
        route = {
            "match": [{"path": ["/api/*"]}],
            "handle": [
                {"handler": "rewrite", "strip_path_prefix": "/api"},
                {
                    "handler": "reverse_proxy",
                    "upstreams": [{"dial": f"127.0.0.1:{api.port}"}],
                    "transport": {"protocol": "http", "keep_alive": {"max_idle_conns_per_host": 256}},
                    "flush_interval": -1,
                },
            ],
        }
        server = {"listen": [f"127.0.0.1:{self.port}"], "routes": [route], "automatic_https": {"disable": True}}
        config = {
            "admin": {"disabled": True},
            "logging": {"logs": {"default": {"level": "ERROR"}}},
            "apps": {"http": {"servers": {"bench": server}}},
        }
        Path(self._folder, "caddy.json").write_text(json.dumps(config))
        self.start()

    def start(self) -> None:
        self.process = ServerProcess(
            [self._program, "run", "--config", f"{self._folder}/caddy.json"],
            env={"HOME": self._folder, "XDG_DATA_HOME": self._folder, "XDG_CONFIG_HOME": self._folder},
        )
        self.process.wait_for_port(self.port)

    def close(self) -> None:
        super().close()
        shutil.rmtree(self._folder, ignore_errors=True)

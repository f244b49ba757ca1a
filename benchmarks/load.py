"""Load by wrk: as many requests as fit, over connections that stay open."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.processes import ServerFailed

_REPORT = Path(__file__).with_name("wrk_report.lua")
_PATIENCE = "10s"  # two by default, which bare Caddy at 256 connections on one busy core takes now and then

# What a browser sends with a small fetch of the page's own.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Accept": "application/json",
    "Accept-Language": "en-GB,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "X-CSRF": "1",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "same-origin",
}


def asked_by_nginx(headers: Mapping[str, str], secret: str) -> dict[str, str]:
    """Return the headers of the sub-request of deploy/nginx/gateway.conf about a browser's GET of /api/tasks."""
    passed = ("Cookie", "X-CSRF", "Accept", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest")
    own = {
        "Host": headers["Host"],
        "X-Original-Method": "GET",
        "X-Original-URI": "/api/tasks",
        "X-Forwarded-For": "127.0.0.1",
        "X-BFF-Gateway": secret,
    }
    return {**own, **{name: value for name, value in headers.items() if name in passed}}


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk saw; times in seconds."""

    requests: int
    duration: float
    p50: float
    p99: float


def run_wrk(url: str, headers: Mapping[str, str], *, connections: int, seconds: float, upload: int = 0) -> Load:
    """Load one URL with one thread of wrk; with `upload`, by POST with a body of so many bytes.

    Raises:
        ServerFailed: wrk is not installed, or a request was refused or failed: nothing would be proved then.
    """
    program = shutil.which("wrk")
    if program is None:
        raise ServerFailed("wrk is not installed: `apt-get install wrk`")
    given = [item for name, value in headers.items() for item in ("-H", f"{name}: {value}")]
    run = ["-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", _PATIENCE]
    command = [program, *run, "-s", str(_REPORT), *given, url]
    environment = {**os.environ, "WRK_UPLOAD": str(upload)}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    seen = json.loads(output.splitlines()[-1])
    if seen["failed"] or seen["refused"] or not seen["requests"]:
        raise ServerFailed(f"{url}: {seen['refused']} requests refused, {seen['failed']} failed:\n{output}")
    return Load(seen["requests"], seen["duration"] / 1e6, seen["p50"] / 1e6, seen["p99"] / 1e6)

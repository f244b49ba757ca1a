"""`make demo` does what it promises, tells what went wrong, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from frontend_example.demo.person import Form, gist, holds_token
from tests.browser.example_app import built_example_app
from tests.processes import ROOT
from tests.servers import ensure_issuer_installed

pytestmark = pytest.mark.integration

RUN = ROOT / "frontend_example" / "demo" / "run.py"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw"
ISSUER = "http://127.0.0.1:9000"
DEADLINE = 60.0  # seconds, generous: the machine may be busy with other tests


class Demo:
    """A demo as a process of its own, with its output in a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self._output = folder.with_suffix(".output")
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(RUN), "--state", str(folder), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_until_running(self) -> dict[str, Any]:
        """Where everything is, as soon as everything runs and has been announced."""
        path = self.folder / "running.json"
        wait_until(lambda: path.exists() and "\n" in path.read_text()[-1:], self)
        running: dict[str, Any] = json.loads(path.read_text())
        return running

    def wait_until_told(self, text: str) -> None:
        """Returns as soon as the output holds the text."""
        wait_until(lambda: text in self.output, self)

    def exit_code(self) -> int:
        return self.process.wait(DEADLINE)


def wait_until(holds: Callable[[], bool], demo: Demo) -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, demo.output
        assert demo.process.poll() is None or holds(), demo.output
        time.sleep(0.05)


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """What `make demo` installs and builds before it starts."""
    ensure_issuer_installed()
    built_example_app()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Starts demos with options; on any port, if not told otherwise."""
    demos: list[Demo] = []

    def begin(*arguments: str, port: int = 0) -> Demo:
        demos.append(Demo(tmp_path / f"demo{len(demos)}", "--port", str(port), *arguments))
        return demos[-1]

    yield begin
    for demo in demos:
        demo.process.kill()
        demo.process.wait()


def is_listening(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((parts.hostname, parts.port)) == 0


def listening(running: dict[str, Any]) -> list[str]:
    return [name for name in ("url", "issuer", "api", "management") if is_listening(running[name])]


def test_check_goes_through_a_session_and_tells_about_it(start, monkeypatch):
    """Sign-in, API, renewal, roles, logout and the search for tokens are told line by line; exit 0.

    At debug level, with a line for each request: none tells a token, or more of a person than the subject.
    """
    monkeypatch.setenv("BFF__LOG__LEVEL", "debug")
    monkeypatch.setenv("BFF__LOG__ACCESS", "true")
    demo = start("--check", "--token-ttl", "4")

    assert 0 == demo.exit_code(), demo.output
    told = [line for line in demo.output.splitlines() if line.startswith("  ")]
    assert [] == [line for line in told if not line.startswith("  ✓ ")]
    for expected in (
        "nobody is signed in (401 session_required)",
        "alice signed in with the form at http://127.0.0.1:",
        "roles admin, reader",
        "created task",
        "deleted task",
        "none failed",
        "bob may read but not delete: 403 access_denied",
        "the admin API is closed to bob: 403 access_denied",
        "alice opens the console at http://localhost:",
        "and in the audit log what he tried: DELETE /api denied",
        "alice ends it, bob's page knows ",
        "the old cookie opens nothing any more",
        "no token in any of the ",
    ):
        assert any(expected in line for line in told), expected
    assert "All is well" in demo.output
    log = (demo.folder / "logs" / "bff.log").read_text()
    assert {"login.done", "renewal.done", "request.done", "access.denied", "library"} <= {
        json.loads(line)["event"] for line in log.splitlines() if line.startswith("{")
    }
    assert [] == [secret for secret in ("eyJ", "alice@", "bob@", "code=", "state=", "__Host-bff=") if secret in log]


def test_check_passes_with_two_workers_on_valkey(start):
    """The other store, and more than one process, without a difference that a user could see."""
    demo = start("--check", "--store", "redis", "--workers", "2", "--token-ttl", "4")

    assert 0 == demo.exit_code(), demo.output
    assert 'store = "redis://' in (demo.folder / "bff.toml").read_text()
    assert "workers = 2" in (demo.folder / "bff.toml").read_text()


def test_part_that_dies_is_named_with_the_end_of_its_output(start):
    """Exit 1, with the part, the reason and the log file; the other parts are stopped."""
    demo = start()
    running = demo.wait_until_running()
    os.kill(running["pids"]["issuer"], signal.SIGKILL)

    assert 1 == demo.exit_code()
    assert "The OpenID provider was killed by SIGKILL. The last it said:" in demo.output
    assert f'"issuer":"{running["issuer"]}"' in demo.output
    assert f"All of it: {demo.folder / 'logs' / 'issuer.log'}" in demo.output
    assert [] == listening(running)


def test_part_that_dies_during_the_check_is_named(start):
    """The reason is told, not only that a call failed."""
    demo = start("--check", "--token-ttl", "3600")
    running = demo.wait_until_running()
    demo.wait_until_told("calling the API until")
    os.kill(running["pids"]["bff"], signal.SIGKILL)

    assert 1 == demo.exit_code()
    assert "The bff was killed by SIGKILL." in demo.output
    assert [] == listening(running)


def test_part_that_cannot_start_is_named(start, monkeypatch):
    """What bff says about a store that it does not know is shown, and what had started is stopped."""
    monkeypatch.setenv("BFF__SESSION__STORE", "carrier-pigeon:")
    demo = start()

    assert 1 == demo.exit_code()
    assert "The bff ended with exit code 1. The last it said:" in demo.output
    assert "BFF__SESSION__STORE" in demo.output
    assert "Traceback" not in demo.output


def test_interrupted_demo_stops_everything_in_seconds(start):
    """Ctrl-C is how it is meant to end: exit 0, and nothing listens any more."""
    demo = start()
    running = demo.wait_until_running()
    demo.wait_until_told("Ctrl-C stops everything.")
    before = listening(running)
    demo.process.send_signal(signal.SIGINT)

    assert 0 == demo.exit_code(), demo.output
    assert (["url", "issuer", "api", "management"], []) == (before, listening(running))
    assert not (demo.folder / "running.json").exists()


def test_killed_demo_leaves_no_server_behind(start):
    """Even SIGKILL, which no program can answer to, ends the servers too."""
    demo = start("--workers", "2")
    running = demo.wait_until_running()
    demo.process.kill()
    demo.process.wait()
    deadline = time.monotonic() + DEADLINE
    while listening(running) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert [] == listening(running)


def test_taken_port_makes_way_for_the_next_free_one(start):
    """The app moves, and says so; two demos side by side do not share a folder either."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        demo = start(port=taken)
        running = demo.wait_until_running()
        demo.wait_until_told("Ctrl-C stops everything.")

    assert urlsplit(running["url"]).port > taken
    assert f"Port {taken} is taken, so the app is at {running['url']}." in demo.output
    second = Demo(demo.folder)
    try:
        wait_until((demo.folder.with_name("demo0-2") / "running.json").exists, second)
    finally:
        second.process.send_signal(signal.SIGINT)
        second.process.wait(DEADLINE)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({}, f'{{"x": "{JWT}"}}', id="a JWT in a body"),
        pytest.param({"x-debug": JWT}, "", id="a JWT in a header"),
        pytest.param({"set-cookie": f"t={JWT}; Path=/"}, "", id="a JWT in a cookie"),
        pytest.param({}, '{"refresh_token": "q9VbT3v0q5mQmXo1Jc2Y"}', id="an opaque token by its name"),
        pytest.param({"location": f"https://elsewhere/end?id_token_hint={JWT}"}, "", id="a hint to somebody else"),
        pytest.param({"location": f"{ISSUER}/auth?access_token={JWT}"}, "", id="another token to the issuer"),
    ],
)
def test_token_that_reaches_the_browser_is_found(headers, body):
    """In headers and bodies, by its shape or by its name (RFC 9700 §2.2.2 is why it must not be there)."""
    assert holds_token(httpx.Response(200, headers=headers, text=body), ISSUER)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(
            {"location": f"{ISSUER}/session/end?id_token_hint={JWT}&state=x"}, id="the hint to the issuer itself"
        ),
        pytest.param({"set-cookie": "__Host-bff=AbCdEf-0123456789_abcdefghijk; Path=/"}, id="the session cookie"),
        pytest.param({"location": "/bff/callback?code=QWERTYUIOPASDFGHJKL&state=y"}, id="the code"),
    ],
)
def test_what_belongs_in_the_browser_is_no_token(headers):
    """Among it the logout hint of OIDC RP-Initiated Logout §2."""
    assert not holds_token(httpx.Response(303, headers=headers), ISSUER)


def test_form_is_read_as_a_browser_would():
    """Hidden fields go along, others are for the person to fill in; only the first form counts."""
    form = Form(
        '<form action="/a?b=1&amp;c=2"><input type="hidden" name="xsrf" value="&quot;1"><input name="login">'
        '</form><form action="/other"></form>'
    )

    assert ("/a?b=1&c=2", {"xsrf": '"1'}) == (form.action, form.fields)


def test_gist_of_a_page_is_what_a_person_would_read():
    """No markup and no styles in the terminal, and no more than a few lines."""
    page = "<title>T</title><style>a { color: red }</style><h1>Internal error</h1>\n<p>Our fault.</p>"

    assert "Internal error Our fault." == gist(httpx.Response(500, text=page))
    assert 241 == len(gist(httpx.Response(500, text="x" * 1000)))

"""Lines of libraries: in our form, and without what they carry."""

import json
import logging
import sys

import pytest
import structlog

from bff.observe.foreign_logs import WIRE_LOGGERS, ForeignLines
from bff.observe.logs import adopt_library_logs, configure_logs
from bff.observe.redaction import redact_text

TOKEN = "q9VbT3v0q5mQmXo1Jc2YkL"


@pytest.fixture
def adopt():
    """Take the logs over for a test; everything is put back."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    wires = {name: logging.getLogger(name).level for name in WIRE_LOGGERS}

    def begin(at: str):
        configure_logs(at, "json")
        adopt_library_logs(at)

    yield begin
    logging.captureWarnings(capture=False)
    root.handlers = handlers
    root.setLevel(level)
    for name, before in wires.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


def told(capsys):
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [{name: value for name, value in line.items() if name != "timestamp"} for line in lines]


def test_warnings_of_libraries_are_lines_like_ours(adopt, capsys):
    """With the level and the name of who said it; what is less than a warning is not asked for."""
    adopt("info")
    logging.getLogger("redis").warning("connection lost to %s", "db.internal")
    logging.getLogger("httpx").info("not told")

    assert [
        {"event": "library", "level": "warning", "logger": "redis", "text": "connection lost to db.internal"}
    ] == told(capsys)


def test_debug_level_lets_libraries_speak_but_not_those_that_print_what_they_carry(adopt, capsys):
    """Headers, frames and statements hold tokens, cookies and records."""
    adopt("debug")
    logging.getLogger("httpx").debug("HTTP Request: GET https://id.example/keys")
    for name in WIRE_LOGGERS:
        logging.getLogger(f"{name}.deep").debug("send_request_headers.complete")

    assert ["httpx"] == [line["logger"] for line in told(capsys)]


def test_traceback_tells_places_and_no_message(adopt, capsys):
    """The message of an exception may be anything, a token among it (CWE-532)."""
    adopt("info")
    try:
        raise ValueError(f"no such token: {TOKEN}")
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved\nfuture: <Task %s>", TOKEN)

    (line,) = told(capsys)
    assert ("ValueError", "Task exception was never retrieved") == (line["error"], line["text"])
    assert line["at"][-1].endswith("test_traceback_tells_places_and_no_message")
    assert TOKEN not in json.dumps(line)


def test_traceback_in_the_text_is_cut_down_to_its_places(adopt, capsys):
    """As the server writes one of an application that failed."""
    adopt("info")
    logging.getLogger("_granian.asgi").error(
        'Application callable raised an exception\n  File "/srv/app.py", line 7, in admit\n    x\nError: %s', TOKEN
    )

    (line,) = told(capsys)
    assert ("Application callable raised an exception", ["/srv/app.py:7 admit"]) == (line["text"], line["at"])
    assert TOKEN not in json.dumps(line)


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError(TOKEN)


@pytest.mark.parametrize(
    ("said", "arguments"),
    [("%d things", ("many",)), ("%(name)s", ({"other": 1},)), ("%s", (Unspeakable(),))],
    ids=["type", "name", "object"],
)
def test_line_that_cannot_be_put_together_is_named_by_its_place(adopt, capsys, said, arguments):
    """A mistake in a library's log call breaks nothing and hides nothing."""
    adopt("info")
    logging.getLogger("x").warning(said, *arguments)

    (line,) = told(capsys)
    assert line["text"].startswith("unreadable line at test_library_lines.py:")


def test_nobody_elses_handler_writes_beside_ours(adopt):
    """One line is told once."""
    logging.getLogger().addHandler(other := logging.StreamHandler(sys.stderr))
    adopt("info")

    assert other not in logging.getLogger().handlers
    assert [ForeignLines] == [type(handler) for handler in logging.getLogger().handlers]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            'HTTP Request: GET https://id/cb?code=abc&state=x "200 OK"',
            'HTTP Request: GET https://id/cb?*** "200 OK"',
        ),
        ("authorization: Bearer abc", "authorization: *** ***"),
        ("sent (b'Authorization', b'Basic YWJj')", "sent (b'Authorization', ***)"),
        ('{"access_token": "abc", "n": 1}', '{"access_token": ***, "n": 1}'),
        ("grant_type=x&refresh_token=abc&client_id=x", "grant_type=x&refresh_token=***&client_id=x"),
        ("mail to alice.b@example.com failed", "mail to *** failed"),
        ("redis://user:pass@db:6379/0", "redis://***@db:6379/0"),
        (f"got {TOKEN} there", "got *** there"),
        ("{'name': 'Alice Liddell', 'email': 'x'}", "{'name': ***, 'email': ***}"),
        ("connection lost to db.internal:6379 after 30 s", "connection lost to db.internal:6379 after 30 s"),
        ("Spawning worker-1 with PID: 4711", "Spawning worker-1 with PID: 4711"),
    ],
)
def test_what_may_be_secret_or_a_persons_is_blank_in_strangers_lines(line, told):
    """There nothing says which part is what, so it takes less to be blanked (OWASP ASVS 16.2.5)."""
    assert told == redact_text(line)

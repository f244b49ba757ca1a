"""Lines that somebody without the keys wrote into the log: they neither steer a terminal nor stop a search."""

import asyncio
import json

import pytest
from click.testing import CliRunner

from bff.access.auditing import AuditQuery
from bff.cli.audit_lines import show, write_line
from bff.cli.audit_verify import tell
from tests.audits import NOW, event, in_file

pytestmark = pytest.mark.security

TAG = "A" * 43
ESCAPES = "\x1b[2J\x9b31m\u202e\x7f"


def forged(**fields):
    """A line as only its writer's key would tell it from ours."""
    line = {
        "seq": 3,
        "time": NOW,
        "event": "login.done",
        "chain": "0" * 12,
        "key": "00000000",
        "prev": "",
        **fields,
    }
    return json.dumps(line, separators=(",", ":")).encode()[:-1] + b',"mac":"%s"}\n' % TAG.encode()


@pytest.fixture
async def log(tmp_path):
    """A log of six lines."""
    audit = in_file(tmp_path / "audit.jsonl")
    for number in range(5):
        await audit.sink.append([event(subject=f"u{number}", time=NOW + number)])
    return audit


def append(audit, line):
    with audit.sink.path.open("ab") as file:
        file.write(line)


async def test_name_of_a_key_in_a_forged_line_steers_no_terminal(log, capsys):
    """`bff audit verify` quotes it, and auditors read that."""
    append(log, forged(seq=7, key=ESCAPES + "x" * 5000))

    tell(await log.reader.verify())

    printed = capsys.readouterr().out
    assert "is not among ours" in printed
    assert printed.replace("\n", "").isprintable()
    assert len(printed) < 1000


async def test_name_of_a_file_steers_no_terminal(log, capsys):
    """Whoever may write beside the log may name files as they like."""
    path = log.sink.path
    path.rename(path.with_name(f"audit.jsonl.{ESCAPES}"))
    await log.sink.append([event(subject="later", time=NOW + 10)])
    content = path.with_name(f"audit.jsonl.{ESCAPES}").read_bytes()
    path.with_name(f"audit.jsonl.{ESCAPES}").write_bytes(content.replace(b'"u1"', b'"u9"'))

    tell(await log.reader.verify())

    printed = capsys.readouterr().out
    assert "BROKEN" in printed
    assert printed.replace("\n", "").isprintable()


@pytest.mark.parametrize("time", ["1e300", "-1e300", "999999999999999", "true", "null"])
async def test_time_that_no_calendar_knows_is_shown_as_one(log, time):
    """Searching goes on over it."""
    append(log, forged(seq=7).replace(b'"time":%r' % NOW, b'"time":' + time.encode()))

    page = await log.reader.search(AuditQuery())

    assert all(write_line(item) for item in page.items)
    assert {f"u{number}" for number in range(5)} <= {item.get("subject") for item in page.items}


@pytest.mark.parametrize("seq", ["-1", "0", "true", "99999999999999999999999", "1e3", '"7"'])
async def test_number_that_is_none_hides_no_line(log, seq):
    """A cursor made of it would lead nowhere: such a line is left out, and what is before it is found."""
    append(log, forged(seq=7).replace(b'"seq":7', b'"seq":' + seq.encode()))
    found, after = [], None
    async with asyncio.timeout(30):
        while True:
            page = await log.reader.search(AuditQuery(after=after, limit=1))
            found += page.items
            after = page.next
            if after is None:
                break

    assert [6, 5, 4, 3, 2, 1] == [item["seq"] for item in found]


def test_lines_as_json_steer_no_terminal():
    """JSON escapes what is below a space, and says nothing of the other controls."""
    result = CliRunner(charset="utf-8")
    with result.isolation() as (out, _, _):
        show({"seq": 1, "time": NOW, "subject": ESCAPES}, as_json=True)
    printed = out.getvalue().decode()

    assert printed.rstrip("\n").isprintable()
    assert ESCAPES == json.loads(printed)["subject"]


@pytest.mark.parametrize("bound", ["since", "until"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_moment_that_is_none_is_no_question(bound, value):
    """A store that compares with it fails, or finds nothing."""
    with pytest.raises(ValueError, match=bound):
        AuditQuery(**{bound: float(value)})

"""Reading the audit log never holds up whoever writes it."""

import asyncio
import threading

from bff.access.auditing import AuditQuery, Verification
from bff.access.auditing.verification import Walk
from bff.web.admin.audit import share_verifications
from tests.audits import event, in_file

MANY = 64  # more than the event loop has threads


async def test_any_number_of_verifications_holds_up_neither_writing_nor_searching(tmp_path, monkeypatch):
    """A log of millions of lines takes its time, and somebody may press the button again and again."""
    log = in_file(tmp_path / "audit.jsonl")
    await log.sink.append([event(subject="alice")])
    go_on, run = threading.Event(), Walk.run

    def slow(walk, lines):
        go_on.wait()
        return run(walk, lines)

    monkeypatch.setattr(Walk, "run", slow)
    verifying = [asyncio.create_task(log.reader.verify()) for _ in range(MANY)]
    try:
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await log.sink.append([event(subject="bob")])
            page = await log.reader.search(AuditQuery(subject="bob"))
        assert 1 == len(page.items)
    finally:
        go_on.set()
    assert {True} == {verified.ok for verified in await asyncio.gather(*verifying)}


async def test_verification_that_is_going_on_is_shared_and_the_next_one_is_new():
    """Whoever asks meanwhile gets its answer, also when the one who asked first has gone."""
    going = asyncio.Event()
    begun = []

    async def verify():
        begun.append(len(begun))
        await going.wait()
        return Verification(True, len(begun))

    shared = share_verifications(verify)
    first, second = asyncio.create_task(shared()), asyncio.create_task(shared())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    going.set()

    assert 1 == (await second).lines
    assert 2 == (await shared()).lines

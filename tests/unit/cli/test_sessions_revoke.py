"""`bff sessions revoke` says how far it has come, and asks for one way of naming sessions."""

import asyncio

import pytest

from bff.cli import sessions_revoke
from bff.session.ending import Progress


async def test_long_run_tells_how_far_it_has_come(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Nobody wonders whether a command that takes minutes still works."""
    monkeypatch.setattr(sessions_revoke, "_EVERY", 0.001)
    progress = Progress(matched=12_000, ended=11_999)
    telling = asyncio.ensure_future(sessions_revoke._tell(progress, dry_run=False))
    told = ""
    async with asyncio.timeout(30):
        while "still to revoke" not in told:
            await asyncio.sleep(0.002)
            told += capsys.readouterr().err
            progress.revoking = 3
    telling.cancel()

    assert "… 11,999 ended\n" in told
    assert "… 11,999 ended, 3 refresh tokens still to revoke\n" in told

"""`bff audit verify`: whether any line was changed, removed, reordered, inserted or cut off."""

import dataclasses
import gzip
import sys
import time
from pathlib import Path

import rich_click as click

from bff.access.auditing import AuditReader, Verification
from bff.access.auditing.chain import Chain
from bff.access.auditing.file_reader import lines_of
from bff.access.auditing.stream_reader import Captured
from bff.cli.audit_place import Unusable, file_option, with_reader
from bff.cli.configuration import STORED, config_option, load_or_exit
from bff.cli.moments import write_moment
from bff.cli.printing import printable, shortened, write_json
from bff.config import Settings
from bff.config.keys import parse_key_file
from bff.crypto.key_ring import KeyRing


@click.command("verify")
@config_option
@file_option
@click.option("--from", "begin_at", type=click.IntRange(1), help="Begin with the line of this number (`seq`).")
@click.option(
    "--key-file",
    "key_files",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="Keys that are no longer in the configuration, for lines that were written with them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def verify_command(
    config: Path | None,
    files: tuple[Path, ...],
    begin_at: int | None,
    key_files: tuple[Path, ...],
    *,
    as_json: bool,
) -> None:
    """Walk along the chain of all lines. Exit code 0: whole; 1: broken; 2: it cannot be read.

    Without --file it is the configured log with the files that it was rotated to. With --file, what was captured
    from standard output can be verified too.
    """
    settings = load_or_exit(config, needs=STORED)
    ring = _ring(settings, key_files)
    if files and settings.audit.sink == "stdout":
        result = _verify_captured(files, ring)
    else:
        result = with_reader(settings, ring, _verify, files=files, begin_at=begin_at)
    if as_json:
        click.echo(write_json(dataclasses.asdict(result)))
    else:
        tell(result)
    sys.exit(0 if result.ok else 1)


async def _verify(reader: AuditReader) -> Verification:
    return await reader.verify()


def _verify_captured(files: tuple[Path, ...], ring: KeyRing) -> Verification:
    try:
        return Captured(Chain(ring)).verify(lines_of(files))
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise Unusable(f"the file cannot be read: {type(error).__name__}") from None


def _ring(settings: Settings, key_files: tuple[Path, ...]) -> KeyRing:
    secrets = [secret.reveal() for secret in settings.keys.secrets]
    for path in key_files:
        secrets += [key for _, key in parse_key_file(path.read_text(encoding="utf-8"))]
    try:
        return KeyRing(secrets)
    except ValueError as error:
        raise Unusable(f"--key-file: {error}") from None


def tell(result: Verification) -> None:
    """Print it. Names of keys and files may be anybody's: nothing in them may steer a terminal."""
    for note in result.notes:
        click.echo(f"note: {printable(note)}")
    if result.problem is None:
        span = ""
        if result.first_seq is not None and result.first_time is not None:
            span = (
                f": line {result.first_seq} to {result.last_seq} of the chain {result.chain}, "
                f"{write_moment(result.first_time)} to {write_moment(result.last_time or time.time())}"
            )
        click.echo(f"the audit log is whole{span} ({result.lines:,} lines)")
        return
    where = f" of {shortened(result.problem.file)}" if result.problem.file is not None else ""
    click.echo(f"BROKEN at line {result.problem.line}{where}: {printable(result.problem.message)}")
    click.echo(f"whole lines before it: {result.lines:,}")

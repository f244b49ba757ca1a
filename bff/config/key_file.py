"""The file of secret keys on disk: made so that only its owner can read it, changed in one step or not at all."""

import os
import secrets
import stat
from pathlib import Path

from bff.config.findings import ConfigError, Finding, Severity
from bff.config.keys import check_key, parse_key_file, put_in_front
from bff.config.values import BadValue

HEADER = "# Secret keys of bff, newest first, one a line. Whoever has one can open sessions.\n"


def create_key_file(path: Path, key: str) -> None:
    """Write a new file with one key, for its owner alone (mode 0600).

    Raises:
        FileExistsError: something is there already; it is left alone.
        OSError: the file cannot be written.
    """
    _write_new(path, HEADER + key + "\n")


def rotate_key_file(path: Path, key: str) -> int:
    """Put a key in front of those in a file and return how many there are now.

    Comments, mode and owner stay. The new file takes the place of the old one by a rename, so a server that reads
    it meanwhile sees the one or the other, never half of one.

    Raises:
        ConfigError: the file holds something that is no key; it is left alone.
        OSError: the file cannot be read, or its directory not be written.
    """
    path = path.resolve(strict=True)  # a link stays one: what it points to is replaced
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError([_finding(path, None, "is not UTF-8 text")]) from None
    keys = parse_key_file(text)
    problems = [_finding(path, line, problem) for line, old in keys if (problem := _problem_of(old)) is not None]
    if problems:
        raise ConfigError(problems)
    status = path.stat()
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    _write_new(new, put_in_front(text, key))
    try:
        if (status.st_uid, status.st_gid) != (new.stat().st_uid, new.stat().st_gid):
            os.chown(new, status.st_uid, status.st_gid)
        new.chmod(stat.S_IMODE(status.st_mode))
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    return len(keys) + 1


def _problem_of(key: str) -> str | None:
    try:
        check_key(key)
    except BadValue as problem:
        return problem.message
    return None


def _finding(path: Path, line: int | None, message: str) -> Finding:
    hint = "name the file that [keys] secrets names"
    return Finding(Severity.ERROR, str(path), line, "", message, "a file of keys, one a line", hint)


def _write_new(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)  # whatever the umask
        file.write(text)
        file.flush()
        os.fsync(descriptor)

"""The secret keys read again while the server runs: what `[keys]` says, without the rest of the configuration."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bff.config.findings import ConfigError, Finding, Severity
from bff.config.secret_reading import read_secret_entry
from bff.config.secret_sources import SecretSources
from bff.config.sources import Override, Sources, overrides_in
from bff.config.values import BadValue

_KEYS = ("keys", "secrets")


@dataclass(frozen=True, slots=True, repr=False)
class KeyReading:
    """The keys, newest first, and when the newest of their files was written (epoch seconds; 0: there is none)."""

    secrets: tuple[str, ...]
    changed_at: float = 0.0


class KeyFiles:
    """`[keys]` of one configuration file, to be looked at now and then.

    Attributes:
        config: the configuration file.
    """

    def __init__(self, config: Path, environ: Mapping[str, str] | None = None) -> None:
        self.config = config.absolute()
        self._environ = os.environ if environ is None else environ

    def stamp(self) -> tuple[tuple[int, int], ...]:
        """Return something that differs when a file may have changed. Cheap; never raises."""
        stamps = []
        for file in (self.config, *self._files()):
            try:
                status = file.stat()
            except OSError:
                stamps.append((0, 0))
            else:
                stamps.append((status.st_mtime_ns, status.st_ino))
        return tuple(stamps)

    def read(self) -> KeyReading:
        """Read and check the keys.

        Raises:
            ConfigError: something there is no key, or cannot be read. No key is ever quoted.
        """
        sources = SecretSources(self._environ, self.config.parent)
        secrets: list[str] = []
        try:
            for entry in self._entries():
                found = read_secret_entry(sources, "keys", entry, is_from_file=False)
                if found.problems:
                    raise found.problems[0][1]
                secrets += [secret.reveal() for secret in found.secrets]
        except BadValue as problem:
            raise ConfigError([self._finding(problem.message)]) from None
        if not secrets:
            raise ConfigError([self._finding("there is no key")])
        written = [file.stat().st_mtime for file in self._files() if file.exists()]
        return KeyReading(tuple(secrets), max(written, default=0.0))

    def _files(self) -> list[Path]:
        try:
            entries = self._entries()
        except ConfigError:
            return []
        names = [entry["file"] for entry in entries if isinstance(entry, dict) and "file" in entry]
        return [self.config.parent / name for name in names if isinstance(name, str)]

    def _entries(self) -> list[object]:
        try:
            tree = tomllib.loads(self.config.read_bytes().decode("utf-8-sig"))
        except (OSError, ValueError) as error:
            raise ConfigError([self._finding(f"the file cannot be read: {type(error).__name__}")]) from None
        sources = Sources(str(self.config), {"keys": tree.get("keys", {})}, {})
        for name, path, text in overrides_in(self._environ):
            if path[:2] == _KEYS:
                sources.override(name, path, text)
        keys = sources.tree["keys"]
        entries = keys.get("secrets", []) if isinstance(keys, dict) else []
        return [_plain(entry) for entry in (entries if isinstance(entries, list) else [entries])]

    def _finding(self, message: str) -> Finding:
        return Finding(Severity.ERROR, str(self.config), None, "keys.secrets", message)


def _plain(entry: object) -> object:
    """Return an entry without the marks of what came from the environment."""
    if isinstance(entry, Override):
        return entry.text
    if isinstance(entry, dict):
        return {name: _plain(value) for name, value in entry.items()}
    return entry

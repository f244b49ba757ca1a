"""Which files a configuration is made of, to see when one changes."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

Stamp = tuple[tuple[int, int, int], ...]
_LIVE = ("keys", "secrets")  # which the workers look at themselves: see KeyFiles
_NAMED = frozenset({"ca_file", "client_cert"})  # keys whose value is the name of a file that is read at the start


class ConfigFiles:
    """The configuration file, and the secrets and certificates that it names."""

    def __init__(self, config: Path) -> None:
        self._config = config.absolute()

    def stamp(self) -> Stamp:
        """Return something that differs when one of them may have changed. Follows links; never raises."""
        return tuple(_stamp(file) for file in (self._config, *self._others()))

    def _others(self) -> list[Path]:
        try:
            tree = tomllib.loads(self._config.read_bytes().decode("utf-8-sig"))
            return sorted({self._config.parent / name for name in _names(tree, ())})
        except (OSError, ValueError, RecursionError):
            return []  # whoever reads it tells why


def _names(value: object, path: tuple[str, ...]) -> Iterator[str]:
    if path == _LIVE:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str) and (key in _NAMED or (key == "file" and len(value) == 1)):
                yield inner
            else:
                yield from _names(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner, path)


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        status = file.stat()
    except (OSError, ValueError):  # a NUL in it is no name at all
        return 0, 0, 0
    return status.st_mtime_ns, status.st_ino, status.st_size

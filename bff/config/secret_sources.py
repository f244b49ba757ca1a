"""Where secrets come from: `{ env = "NAME" }`, `{ file = "path" }`, or, with a warning, the file itself."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bff.config.values import AbsentValue, BadValue, did_you_mean, quoted, shape_of

EXPECTED = 'a secret: { env = "NAME" }, { file = "path" }'
MAX_SECRET_FILE = 64 * 1024  # bytes; a bigger file is not a secret but a mistake


@dataclass(frozen=True, slots=True, repr=False)
class SecretText:
    """A secret as it was found.

    Attributes:
        text: the secret, without the newline at its end.
        origin: the file it was read from; None when it came from the environment or stands in the configuration.
        is_literal: it stands in the configuration itself.
        is_exposed: its file can be read by more than whom it is meant for.
    """

    text: str
    origin: str | None = None
    is_literal: bool = False
    is_exposed: bool = False


def is_exposed(mode: int, owner: tuple[int, int], us: tuple[int, int]) -> bool:
    """Whether more can read a file than whom it is meant for.

    A file of root's that our own group alone may read is meant for us: so Kubernetes (`fsGroup`) and packages hand
    a secret to somebody who is not to change it. systemd's credentials are root's by user and group, and show the
    group's bit for the list of those who may read them.

    Args:
        mode: the permission bits.
        owner: whose file it is, user and group.
        us: as whom we run, user and primary group.
    """
    if mode & (stat.S_IROTH | stat.S_IWGRP):
        return True
    is_handed_over = owner[0] == 0 and us[0] != 0 and owner[1] in {0, us[1]}
    return bool(mode & stat.S_IRGRP) and not is_handed_over


@dataclass(frozen=True, slots=True)
class SecretSources:
    """The environment, and the directory that relative paths start from."""

    environ: Mapping[str, str]
    directory: Path

    def fetch(self, value: object) -> SecretText:
        """Get a secret from wherever `value` says. `BadValue` tells what is missing, never what was found."""
        if isinstance(value, str):
            return self._present(SecretText(value, is_literal=True), "the value")
        if not isinstance(value, dict):
            raise BadValue(f"is {shape_of(value)}", EXPECTED)
        for key in value:
            if key not in {"env", "file"}:
                raise BadValue(
                    f"has the unknown source {quoted(key)}", EXPECTED, did_you_mean(key, ("env", "file"))
                )
        if len(value) != 1:
            raise BadValue("names no source" if not value else "names two sources", EXPECTED)
        (source, name), *_ = value.items()
        if not isinstance(name, str) or not name or "\0" in name:
            raise BadValue(f"names no {'variable' if source == 'env' else 'file'}", EXPECTED)
        return self._from_environment(name) if source == "env" else self._from_file(name)

    def _from_environment(self, name: str) -> SecretText:
        if name not in self.environ:
            raise AbsentValue(
                f"the environment variable {quoted(name)} is not set",
                "the secret in that variable",
                f"set it where bff is started, for instance: export {name}=…",
            )
        return self._present(SecretText(self.environ[name]), f"the environment variable {quoted(name)}")

    def _from_file(self, name: str) -> SecretText:
        path = self.directory / name
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                content = file.read(MAX_SECRET_FILE + 1)
            if len(content) > MAX_SECRET_FILE:
                raise BadValue(
                    f"the file {quoted(name)} is larger than 64 KiB", "a file that holds only the secret"
                )
            text = content.decode()
        except FileNotFoundError:
            hint = f"it was looked for in {self.directory}" if not Path(name).is_absolute() else ""
            raise AbsentValue(f"the file {quoted(name)} does not exist", "the secret in that file", hint) from None
        except UnicodeDecodeError:
            raise BadValue(f"the file {quoted(name)} is not UTF-8 text", "the secret in that file") from None
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            is_folder = isinstance(error, IsADirectoryError)
            hint = "name a file in it" if is_folder else "give the user that bff runs as the right to read it"
            raise AbsentValue(
                f"the file {quoted(name)} cannot be read: {reason}", "the secret in that file", hint
            ) from None
        text = text.removesuffix("\n").removesuffix("\r")
        exposed = is_exposed(status.st_mode, (status.st_uid, status.st_gid), (os.geteuid(), os.getegid()))
        return self._present(SecretText(text, origin=name, is_exposed=exposed), f"the file {quoted(name)}")

    @staticmethod
    def _present(secret: SecretText, what: str) -> SecretText:
        if not secret.text.strip():
            raise BadValue(f"{what} is empty", EXPECTED)
        return secret

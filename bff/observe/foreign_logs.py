"""What libraries log, in our form: one line each, redacted, and nothing from those that print what they carry."""

import logging
import re
from collections.abc import Callable, Mapping

from bff.observe.redaction import frames, redact_text

# They write headers, frames and statements at debug level: tokens, cookies and records among them.
WIRE_LOGGERS = ("httpcore", "websockets", "aiosqlite", "hpack", "h2", "h11", "pyreqwest")
_LONGEST = 2000  # characters of a line
_PLACES = re.compile(r'File "([^"]+)", line (\d+), in (\w+)')

Write = Callable[[int, Mapping[str, object]], None]


class ForeignLines(logging.Handler):
    """Takes every record of the standard library's logging."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self._write = write

    def take_over(self, level: str) -> None:
        """Be the only handler of this process: of WARNING and above, or of everything at "debug"."""
        root = logging.getLogger()
        root.handlers = [self]
        root.setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
        for name in WIRE_LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.captureWarnings(capture=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record. What it cannot say is told by its place."""
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 -- the arguments do not fit, or one cannot be said: the caller must go on
            text = f"unreadable line at {record.filename}:{record.lineno}"
        said, _, rest = text.partition("\n")
        fields: dict[str, object] = {"logger": record.name, "text": redact_text(said[:_LONGEST])}
        if places := _PLACES.findall(rest):  # a traceback: its last line, the message, may be anything
            fields["at"] = [f"{file}:{line} {name}" for file, line, name in places]
        if record.exc_info is not None and record.exc_info[1] is not None:
            fields |= {"error": type(record.exc_info[1]).__name__, "at": frames(record.exc_info[1].__traceback__)}
        self._write(record.levelno, fields)

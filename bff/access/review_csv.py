"""A review as a table for spreadsheets (RFC 4180). Pure.

A spreadsheet takes a cell that begins with one of `=+-@` for a formula, and names come from outside: such cells get
an apostrophe in front, which shows them as text (OWASP, CSV Injection). Where a semicolon is the custom, or a tab
or a bar was chosen, what is behind one may become a cell of its own: it is treated like the beginning of one.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from bff.access.openings import Opening
from bff.access.review_rows import Row

HEADER = (
    "subject",
    "name",
    "issuer",
    "roles",
    "origins",
    "opens",
    "first_seen",
    "last_login",
    "last_use",
    "live_sessions",
    "findings",
    "decision",
    "decided_at",
    "decided_by",
    "note",
)
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001 - some locales take the wide ones as well
_BEHIND = re.compile(rf"(?<=[;|\t\r\n])([\s\"]*)(?=[{re.escape(''.join(_FORMULA))}])")


def build_header() -> str:
    """Return the line with the columns' names."""
    return _line(HEADER)


def build_lines(rows: Iterable[Row]) -> str:
    """Return a line for each row."""
    return "".join(_line([defuse(cell) for cell in cells_of(row)]) for row in rows)


def cells_of(row: Row) -> Sequence[str]:
    """Return what a row says, in the order of `HEADER`."""
    seen, mark = row.seen, row.seen.mark
    return (
        seen.subject,
        seen.name,
        seen.issuer,
        "; ".join(row.roles),
        "; ".join(f"{origin.role}: {origin}" for origin in row.origins),
        "; ".join(map(describe_opening, row.opens)),
        moment(seen.first_seen_at),
        moment(seen.last_login_at),
        moment(seen.last_use_at),
        str(row.live_sessions),
        "; ".join(row.findings),
        row.decision or "",
        moment(mark.at) if mark is not None else "",
        mark.by if mark is not None else "",
        mark.note if mark is not None else "",
    )


def describe_opening(opening: Opening) -> str:
    """Return what a rule opens in a few words: `GET HEAD /api/orders (rule 1)`."""
    rule = f" (rule {opening.rule})" if opening.rule is not None else ""
    return f"{' '.join(opening.methods)} {opening.route}{rule}"


def moment(at: float) -> str:
    """Return a time in UTC; nothing for never."""
    if not 0 < at < 253_402_300_800:
        return ""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def defuse(cell: str) -> str:
    """Return a cell that no spreadsheet calculates, whatever blanks are before the formula."""
    text = _BEHIND.sub(r"\1'", cell.replace("\0", "\N{REPLACEMENT CHARACTER}"))
    return f"'{text}" if text.lstrip().startswith(_FORMULA) or text.startswith(("\t", "\r", "\n")) else text


def _line(cells: Sequence[str]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n", quoting=csv.QUOTE_ALL).writerow(cells)
    return file.getvalue()

"""Cursors: where a list goes on, sealed, so that nobody can make one or read what is in it."""

import base64
import binascii
import json
from collections.abc import Mapping

from bff.crypto.key_ring import CannotOpenError, KeyRing
from bff.web.admin.errors import InvalidRequest

_PURPOSE = b"admin-cursor"
_LONGEST = 1024  # characters


class Cursors:
    """Seals and opens. A cursor belongs to one list with its filters, and says nothing to any other."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def seal(self, list_name: str, filters: Mapping[str, object], position: bytes) -> str:
        """Return the cursor for a position."""
        sealed = self._ring.seal(_PURPOSE, position, associated=_name(list_name, filters))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")

    def open(self, list_name: str, filters: Mapping[str, object], cursor: str) -> bytes:
        """Return the position; empty for no cursor.

        Raises:
            InvalidRequest: it is not one of ours, or belongs to another list or other filters.
        """
        if not cursor:
            return b""
        try:
            if len(cursor) > _LONGEST:
                raise CannotOpenError
            sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            return self._ring.open(_PURPOSE, sealed, associated=_name(list_name, filters))
        except (CannotOpenError, binascii.Error, ValueError) as error:
            detail = "after: this is no cursor of this list with these filters; begin again without it."
            raise InvalidRequest(detail) from error


def _name(list_name: str, filters: Mapping[str, object]) -> bytes:
    return json.dumps([list_name, sorted(filters.items())]).encode()

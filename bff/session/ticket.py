"""What the cookie carries: the session id and a secret of that session alone."""

import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass

_ID = 32
_SECRET = 32
_HANDLE = 12  # bytes


@dataclass(frozen=True, slots=True, repr=False)
class Ticket:
    """256 random bits that name the session and 256 that open its record; neither is ever stored."""

    session_id: bytes
    secret: bytes

    def __repr__(self) -> str:
        return "Ticket(***)"

    @property
    def store_key(self) -> bytes:
        """The record's primary key: a hash of the id, keyed with the session's own secret.

        It does not depend on the server's keys, so that these can be rotated without moving any record.
        """
        return hmac.digest(self.secret, b"bff/v1/store-key\0" + self.session_id, "sha256")

    def build(self) -> bytes:
        """The payload of the cookie."""
        return self.session_id + self.secret


def handle_of(store_key: bytes) -> str:
    """The public name of the session under this key: how the key begins, so that a store need not look it up.

    96 bits, which name a session and do nothing else.
    """
    return store_key[:_HANDLE].hex()


def new_ticket(random: Callable[[int], bytes] = os.urandom) -> Ticket:
    """A fresh one for each login (OWASP ASVS 7.2.3, RFC 6265bis §8.4)."""
    return Ticket(random(_ID), random(_SECRET))


def parse_ticket(payload: bytes) -> Ticket | None:
    """Read what `build` wrote; None for anything else."""
    if len(payload) != _ID + _SECRET:
        return None
    return Ticket(payload[:_ID], payload[_ID:])

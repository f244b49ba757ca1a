"""Between a session and its record in the store: sealing, opening and the keyed hashes of its identifiers."""

from dataclasses import dataclass

import msgspec

from bff.crypto.key_ring import CannotOpenError, KeyRing
from bff.session.record_form import build_record, parse_record
from bff.session.records import StoredSession
from bff.session.session import Session, Summary, build_summary, parse_summary
from bff.session.ticket import Ticket

_RECORD = b"session-record"
_SUMMARY = b"session-summary"
_SUBJECT = b"subject"
_ISSUER_SID = b"issuer-sid"


@dataclass(frozen=True, slots=True)
class Vault:
    """Seals records.

    With `bind_to_cookie` a record opens only with the server's key and the secret in the browser's cookie: a dump
    of the store together with the configuration opens nothing. Without, the server's key is enough.
    """

    ring: KeyRing
    client_id: str
    bind_to_cookie: bool = True

    def seal(self, session: Session, ticket: Ticket, *, version: int, idle_expires_at: float) -> StoredSession:
        """Return the record of a session."""
        key = ticket.store_key
        return StoredSession(
            key=key,
            version=version,
            sealed=self.ring.seal(_RECORD, build_record(session), associated=key, bound_to=self._bound_to(ticket)),
            summary=self.ring.seal(_SUMMARY, build_summary(session, self.client_id), associated=key),
            subject=self.ring.keyed_hash(_SUBJECT, _pair(session.principal.issuer, session.principal.subject)),
            issuer_sid=self.ring.keyed_hash(_ISSUER_SID, _pair(session.principal.issuer, session.issuer_sid))
            if session.issuer_sid is not None
            else None,
            handle=session.handle,
            created_at=session.created_at,
            idle_expires_at=min(idle_expires_at, session.expires_at),
            expires_at=session.expires_at,
        )

    def open(self, key: bytes, sealed: bytes, ticket: Ticket) -> Session:
        """Open a record.

        Raises:
            CannotOpenError: when the record is damaged, or sealed with a key that is gone.
        """
        encoded = self.ring.open(_RECORD, sealed, associated=key, bound_to=self._bound_to(ticket))
        try:
            return parse_record(encoded)
        except msgspec.DecodeError as error:
            raise CannotOpenError from error

    def open_summary(self, record: StoredSession) -> Summary:
        """Open what lists show; raises `CannotOpenError`."""
        encoded = self.ring.open(_SUMMARY, record.summary, associated=record.key)
        try:
            return parse_summary(encoded)
        except msgspec.DecodeError as error:
            raise CannotOpenError from error

    def subject_hashes(self, issuer: str, subject: str) -> list[bytes]:
        """Keyed hashes of a user, one for each key: what an older key wrote is found too."""
        return self.ring.keyed_hashes(_SUBJECT, _pair(issuer, subject))

    def issuer_sid_hashes(self, issuer: str, issuer_sid: str) -> list[bytes]:
        """Keyed hashes of the issuer's session id, one for each key."""
        return self.ring.keyed_hashes(_ISSUER_SID, _pair(issuer, issuer_sid))

    def _bound_to(self, ticket: Ticket) -> bytes:
        return ticket.secret if self.bind_to_cookie else b""


def _pair(first: str, second: str) -> bytes:
    # Length-prefixed, so that no two pairs are ever written alike.
    head = first.encode()
    return len(head).to_bytes(4, "big") + head + second.encode()

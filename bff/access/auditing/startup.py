"""What a log says when a server begins: which configuration, which keys, and whether they have changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bff.access.auditing.fingerprints import configuration_fingerprint, section_fingerprints
from bff.access.auditing.log import AuditLog
from bff.config.settings import Settings
from bff.crypto.key_ring import KeyRing
from bff.errors import AuditUnavailable, SessionStoreUnavailable
from bff.session.audit_records import AuditQuery
from bff.session.records import Coordination

LOADED = "configuration.loaded"
_PAGES = 100  # searched for what was loaded before
_ONE_START = 60.0  # seconds in which workers that start together tell of a change once
_LONG = 10 * 365 * 86400.0  # seconds

Seen = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Startup:
    """Tells of the configuration and the keys by name, never by value."""

    audit: AuditLog
    settings: Settings
    ring: KeyRing
    store: Coordination
    version: str
    clock: Callable[[], float]

    def tell_loaded(self) -> None:
        """Record what was loaded."""
        self.audit.record(LOADED, self._now())

    async def tell_changes(self) -> None:
        """Record what is not as it was the last time."""
        now = self._now()
        before = await self._before()
        if before is not None:
            await self._tell_changes(before, now)
        elif self.audit.reader is None:
            await self._tell_unread(now)

    def _now(self) -> Seen:
        sections = section_fingerprints(self.settings)
        return {
            "fingerprint": configuration_fingerprint(sections),
            "sections": sections,
            "keys": list(self.ring.key_ids),
            "version": self.version,
        }

    async def _before(self) -> Seen | None:
        """Return what the log says was loaded last."""
        if self.audit.reader is None:
            return None
        query: AuditQuery | None = AuditQuery(event=LOADED, limit=1)
        try:
            for _ in range(_PAGES):
                if query is None:
                    break
                page = await self.audit.reader.search(query)
                if page.items:
                    return page.items[0]
                query = AuditQuery(event=LOADED, limit=1, after=page.next) if page.next is not None else None
        except AuditUnavailable:
            return None  # the log itself says that it does not work
        return None

    async def _tell_changes(self, before: Seen, now: Seen) -> None:
        old, new = before.get("fingerprint"), now["fingerprint"]
        if old != new and await self._is_first(f"configuration:{old}:{new}"):
            others = before.get("sections")
            known = others if isinstance(others, Mapping) else {}
            sections = now["sections"]
            changed = [
                name
                for name, value in (sections.items() if isinstance(sections, Mapping) else ())
                if known.get(name) != value
            ]
            self.audit.record(
                "configuration.changed", {"fingerprint": new, "before": old, "sections": sorted(changed)}
            )
        before_keys, keys = _names(before.get("keys")), _names(now["keys"])
        if before_keys != keys and await self._is_first(f"keys:{before_keys}:{keys}"):
            self._tell_keys(before_keys, keys)

    def _tell_keys(self, before: list[str], keys: list[str]) -> None:
        added = [key for key in keys if key not in before]
        removed = [key for key in before if key not in keys]
        self.audit.record("keys.changed", {"keys": keys, "added": added, "removed": removed})

    async def _tell_unread(self, now: Seen) -> None:
        """Do what can be done where lines cannot be read back: the session store remembers the names."""
        keys = _names(now["keys"])
        if await self._is_other("configuration", str(now["fingerprint"])):
            self.audit.record("configuration.changed", {"fingerprint": now["fingerprint"]})
        if await self._is_other("keys", ",".join(keys)):
            self.audit.record("keys.changed", {"keys": keys})

    async def _is_first(self, change: str) -> bool:
        now = self.clock()
        try:
            return await self.store.remember(f"audit-change:{change}".encode(), now, now + _ONE_START)
        except SessionStoreUnavailable:
            return True  # told twice rather than never

    async def _is_other(self, what: str, name: str) -> bool:
        """Tell whether another name than this was the last one."""
        now = self.clock()
        last, this = f"audit-seen:{what}".encode(), f"audit-seen:{what}:{name}".encode()
        try:
            last_at, this_at = await self.store.recall(last, now), await self.store.recall(this, now)
            await self.store.remember(this, now, now + _LONG, now)
            await self.store.remember(last, now, now + _LONG, now)
        except SessionStoreUnavailable:
            return False
        return last_at is not None and (this_at is None or this_at < last_at)


def _names(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else []

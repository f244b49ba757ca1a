"""What a store can tell an operator of itself."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """None: it does not say, or we may not ask."""

    server: str  # "redis", "valkey", …
    version: str
    seconds_ahead: float  # its clock against ours
    round_trip: float  # seconds, the shortest of a few
    appends: bool | None = None  # every write goes to a log on its disk
    snapshots: bool | None = None  # now and then all of it goes there
    last_write_failed: bool = False
    evicts: str | None = None  # what it does when it is full
    memory_used: int | None = None  # bytes
    memory_limit: int | None = None  # bytes; 0: any
    role: str | None = None  # "master", "replica"
    replicas: int | None = None
    needs_replicas: bool | None = None  # it takes no writes that none of them would hear of soon


class TellsFacts(Protocol):
    """Tells."""

    async def read(self) -> StoreFacts:
        """Ask the server; raises `SessionStoreUnavailable`."""
        ...


@runtime_checkable
class HasFacts(Protocol):
    """A store that is a server of its own."""

    @property
    def facts(self) -> TellsFacts:
        """Whom to ask."""
        ...

"""A session store whose calls are spans, where they are part of something that is traced."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from bff.observe.tracing import Kind, Tracing
from bff.session.facts import HasFacts
from bff.session.records import Store
from bff.session.stores import audit_of, documents_of, tally_of

OPERATIONS = (
    "create",
    "load",
    "replace",
    "touch",
    "end",
    "end_many",
    "find",
    "acquire",
    "release",
    "remember",
    "recall",
    "count",
    "purge",
    "ping",
)
_PLAIN = ("changes", "open", "close")
_SYSTEMS = {"rediss": "redis", "unix": "redis"}  # by the URL's scheme, where they differ from it


def trace_store(store: Store, url: str, tracing: Tracing) -> Store:
    """Return the store, traced. No key and no value of it is ever told."""
    scheme = url.partition(":")[0].partition("+")[0]
    return cast("Store", _TracedStore(store, _SYSTEMS.get(scheme, scheme), tracing))


class _TracedStore:
    """Implements `Store`: every operation is the one within, with a span around it."""

    def __init__(self, store: Store, system: str, tracing: Tracing) -> None:
        self.documents = documents_of(store)
        self.audit = audit_of(store)
        self.tally = tally_of(store)
        if isinstance(store, HasFacts):
            self.facts = store.facts
        for operation in OPERATIONS:
            setattr(self, operation, _traced(getattr(store, operation), operation, system, tracing))
        for operation in _PLAIN:
            setattr(self, operation, getattr(store, operation))


def _traced(
    call: Callable[..., Awaitable[Any]], operation: str, system: str, tracing: Tracing
) -> Callable[..., Awaitable[Any]]:
    attributes = {"db.system.name": system, "db.operation.name": operation}
    name = f"{operation} sessions"

    async def traced(*args: Any, **kwargs: Any) -> Any:
        with tracing.part(name, Kind.CLIENT, attributes):
            return await call(*args, **kwargs)

    return traced

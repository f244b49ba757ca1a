"""A store that does what it is told: hold a call back, refuse it, lose its answer, or lose its voice.

store.fail("replace")                     # the next replace is refused
store.fail("replace", done=True)          # the next replace is carried out, and its answer lost
gate = store.hold("end")                  # the next end waits for gate.open(); gate.reached says that it does
store.lose_pushes(); store.restore_pushes()
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from bff.errors import SessionStoreUnavailable
from bff.session.records import Change, Lost, Restored
from bff.session.stores.memory import MemoryStore


@dataclass
class Gate:
    """Holds one call. With `done` the call has been carried out, and only its answer is held."""

    done: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> None:
        """Let the call go on."""
        self.opened.set()


@dataclass(frozen=True)
class Fault:
    """Refuses one call. With `done` the call has been carried out, and only its answer is lost."""

    done: bool = False


class ScriptedDocuments:
    """The documents of a scripted store: away when it is."""

    def __init__(self, store: "ScriptedStore") -> None:
        self._store = store

    async def read(self, *args: Any) -> Any:
        return await self._do("read", *args)

    async def write(self, *args: Any) -> Any:
        return await self._do("write", *args)

    async def page(self, *args: Any, **options: Any) -> Any:
        return await self._do("page", *args, **options)

    async def remove(self, *args: Any) -> Any:
        return await self._do("remove", *args)

    async def purge(self, *args: Any) -> Any:
        return await self._do("purge", *args)

    async def _do(self, name: str, *args: Any, **options: Any) -> Any:
        if self._store.down:
            raise SessionStoreUnavailable
        await asyncio.sleep(0)  # a real store gives way
        return await getattr(self._store.inner.documents, name)(*args, **options)


class ScriptedTally:
    """The tally of a `ScriptedStore`: away when the store is; `tally.add` and the like can be scripted."""

    def __init__(self, store: "ScriptedStore") -> None:
        self._store = store

    async def add(self, *args: Any) -> None:
        await self._store._do("tally.add", *args)

    async def note(self, *args: Any) -> None:
        await self._store._do("tally.note", *args)

    async def read(self, *args: Any) -> Any:
        return await self._store._do("tally.read", *args)

    async def purge(self, *args: Any) -> None:
        await self._store._do("tally.purge", *args)


class ScriptedStore:
    """Wraps a `MemoryStore`; several workers may share it."""

    def __init__(self, inner: MemoryStore) -> None:
        self.inner = inner
        self.tally = ScriptedTally(self)
        self.calls: list[str] = []
        self.down = False
        self._steps: dict[str, deque[Gate | Fault]] = defaultdict(deque)
        self._gates: list[Gate] = []
        self._deaf = False

    # ── the script ───────────────────────────────────────────────────────────────────────────────────────

    def fail(self, name: str, *, times: int = 1, done: bool = False) -> None:
        """Refuse the next calls of this method."""
        self._steps[name].extend([Fault(done)] * times)

    def hold(self, name: str, *, done: bool = False) -> Gate:
        """Hold the next call of this method."""
        gate = Gate(done)
        self._gates.append(gate)
        self._steps[name].append(gate)
        return gate

    def lose_pushes(self) -> None:
        """Interrupt the push connection: what changes from now on is missed."""
        self._deaf = True
        self.inner._feed.interrupt()

    def restore_pushes(self) -> None:
        """Have the push connection stand again."""
        self._deaf = False
        self.inner._feed.restore()

    def let_go(self) -> None:
        """End every hold and every fault, those to come as well."""
        self.down = False
        self._steps.clear()
        for gate in self._gates:
            gate.open()

    def times(self, name: str) -> int:
        """Return how often a method was called."""
        return self.calls.count(name)

    # ── the store ────────────────────────────────────────────────────────────────────────────────────────

    async def _do(self, name: str, *args: Any, **options: Any) -> Any:
        self.calls.append(name)
        if self.down:
            raise SessionStoreUnavailable
        step = self._steps[name].popleft() if self._steps[name] else None
        method = attrgetter(name)(self.inner)
        match step:
            case Gate(done=False):
                step.reached.set()
                await step.opened.wait()
            case Fault(done=False):
                raise SessionStoreUnavailable
            case _:
                pass
        await asyncio.sleep(0)  # a real store gives way
        answer = await method(*args, **options)
        match step:
            case Gate(done=True):
                step.reached.set()
                await step.opened.wait()
            case Fault(done=True):
                raise SessionStoreUnavailable
            case _:
                pass
        return answer

    @property
    def documents(self) -> "ScriptedDocuments":
        return ScriptedDocuments(self)

    async def open(self) -> None:
        await self._do("open")

    async def close(self) -> None:
        """The world closes it, not each of its workers."""

    async def ping(self) -> None:
        await self._do("ping")

    async def create(self, *args: Any) -> Any:
        return await self._do("create", *args)

    async def load(self, *args: Any) -> Any:
        return await self._do("load", *args)

    async def replace(self, *args: Any) -> Any:
        return await self._do("replace", *args)

    async def touch(self, *args: Any) -> Any:
        return await self._do("touch", *args)

    async def end(self, *args: Any, **options: Any) -> Any:
        return await self._do("end", *args, **options)

    async def end_many(self, *args: Any) -> Any:
        return await self._do("end_many", *args)

    async def find(self, **options: Any) -> Any:
        return await self._do("find", **options)

    async def acquire(self, *args: Any) -> Any:
        return await self._do("acquire", *args)

    async def release(self, *args: Any) -> Any:
        return await self._do("release", *args)

    async def remember(self, *args: Any, **options: Any) -> Any:
        return await self._do("remember", *args, **options)

    async def recall(self, *args: Any) -> Any:
        return await self._do("recall", *args)

    async def purge(self, *args: Any) -> Any:
        return await self._do("purge", *args)

    async def count(self, *args: Any) -> Any:
        return await self._do("count", *args)

    async def changes(self) -> AsyncIterator[Change | Lost | Restored]:
        async for event in self.inner.changes():
            if not (self._deaf and isinstance(event, Change)):
                yield event

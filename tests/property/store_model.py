"""A model of a session store in plain dicts, and how to hold a store to it.

Time moves forward only, and no key is created a second time after its record expired: that is when a store may or
may not have removed it yet.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule, run_state_machine_as_test

from bff.session.records import Ended, Store, StoredSession
from bff.session.stores import open_store

START = 1_000_000.0
SPANS = st.sampled_from([0.5, 1.0, 3.0, 10.0, 60.0])
VALUES = st.binary(max_size=40)
FEW = st.sampled_from([b"a" * 32, b"b" * 32, b"c" * 32])
OWNERS = st.sampled_from([b"one", b"two"])


class StoreModel(RuleBasedStateMachine):
    """Every rule makes the same call to the store and to the model, and compares what they say."""

    keys = Bundle("keys")
    urls: ClassVar[Iterator[str]]  # of an empty store for each sequence of calls

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.live: dict[bytes, StoredSession] = {}
        self.ended: dict[bytes, tuple[Ended, float]] = {}
        self.leases: dict[bytes, tuple[bytes, int, float]] = {}
        self.names: dict[bytes, tuple[float, float]] = {}
        self.highest_fence = 0
        self.count = 0
        self.runner = asyncio.Runner()
        self.store = self.runner.run(self.open())

    async def open(self) -> Store:
        store = open_store(next(self.urls), timeout=15.0)  # seconds: the machine may be busy with other tests
        await store.open()
        return store

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        async def run() -> Any:
            return await getattr(self.store, name)(*args, **kwargs)

        return self.runner.run(run())

    def alive(self, key: bytes) -> StoredSession | None:
        record = self.live.get(key)
        return record if record and self.now < min(record.idle_expires_at, record.expires_at) else None

    @rule(span=SPANS)
    def time_passes(self, span: float) -> None:
        self.now += span

    @rule(target=keys, sealed=VALUES, summary=VALUES, subject=FEW, sid=st.none() | FEW, idle=SPANS, absolute=SPANS)
    def create(
        self, sealed: bytes, summary: bytes, subject: bytes, sid: bytes | None, idle: float, absolute: float
    ) -> bytes:
        self.count += 1
        key = (self.count * 7919 % 251).to_bytes(1, "big") + self.count.to_bytes(31, "big")
        handle = f"h{self.count % 3}"
        ends = self.now + idle, self.now + absolute
        record = StoredSession(key, 1, sealed, summary, subject, sid, handle, self.now, *ends)
        self.call("create", record)
        self.live[key] = record
        return key

    @rule(key=keys)
    def create_again(self, key: bytes) -> None:
        if self.alive(key) or self.now < self.ended.get(key, (None, 0.0))[1]:
            self.call(
                "create",
                StoredSession(key, 5, b"x", b"x", b"x" * 32, None, "x", self.now, self.now + 1, self.now + 1),
            )

    @rule(key=keys)
    def load(self, key: bytes) -> None:
        ended, until = self.ended.get(key, (None, 0.0))
        expected = self.alive(key) or (ended if self.now < until else None)
        assert expected == self.call("load", key, self.now)

    @rule(key=keys, sealed=VALUES, subject=FEW, sid=st.none() | FEW, idle=SPANS, off=st.sampled_from([0, 0, 0, 1]))
    def replace(self, key: bytes, sealed: bytes, subject: bytes, sid: bytes | None, idle: float, off: int) -> None:
        record = self.alive(key)
        version = (record.version if record else 1) + off
        known = self.live.get(key) or StoredSession(key, 1, b"", b"", subject, sid, "h", 0.0, 0.0, 0.0)
        if key in self.live and record is None:
            return  # expired: it may be gone already, or not yet
        idle_end = min(self.now + idle, known.expires_at)
        written = replace(
            known, version=version + 1, sealed=sealed, subject=subject, issuer_sid=sid, idle_expires_at=idle_end
        )
        is_current = record is not None and off == 0
        assert is_current == self.call("replace", written, version)
        if record is not None and is_current:
            self.live[key] = replace(written, idle_expires_at=max(idle_end, record.idle_expires_at))

    @rule(key=keys, idle=SPANS)
    def touch(self, key: bytes, idle: float) -> None:
        record = self.alive(key)
        if key in self.live and record is None:
            return  # expired: it may be gone already, or not yet
        assert (record is not None) == self.call("touch", key, self.now + idle)
        if record is not None:
            slid = max(record.idle_expires_at, min(self.now + idle, record.expires_at))
            self.live[key] = replace(record, idle_expires_at=slid)

    @rule(key=keys, keep_sealed=st.booleans())
    def end(self, key: bytes, keep_sealed: bool) -> None:
        record = self.alive(key)
        ended = self.call("end", key, "logout", self.now, keep_sealed=keep_sealed)
        assert (record is not None) == ended
        self.live.pop(key, None)
        if record is not None:
            left = Ended(key, "logout", self.now, record.sealed if keep_sealed else None)
            self.ended[key] = left, record.expires_at

    @rule()
    def count_the_living(self) -> None:
        assert sum(self.alive(key) is not None for key in self.live) == self.call("count", self.now)

    @rule(
        subjects=st.lists(FEW, max_size=2),
        sids=st.lists(FEW, max_size=2),
        handle=st.none() | st.sampled_from(["h0", "h9"]),
        limit=st.integers(0, 4),
    )
    def find(self, subjects: list[bytes], sids: list[bytes], handle: str | None, limit: int) -> None:
        wanted = [
            record
            for key in sorted(self.live)
            if (record := self.alive(key))
            and (
                not (subjects or sids or handle)
                or record.subject in subjects
                or record.issuer_sid in sids
                or record.handle == handle
            )
        ]
        after = wanted[0].key if wanted else b""
        criteria = {"now": self.now, "subjects": subjects, "issuer_sids": sids, "handle": handle}
        assert wanted[:limit] == self.call("find", **criteria, limit=limit)
        assert wanted[1:] == self.call("find", **criteria, after=after)

    @rule(key=FEW, owner=OWNERS, ttl=SPANS)
    def acquire(self, key: bytes, owner: bytes, ttl: float) -> None:
        holder, fence, until = self.leases.get(key, (b"", 0, 0.0))
        answer = self.call("acquire", key, owner, self.now, ttl)
        if self.now < until and holder != owner:
            assert answer is None
        elif self.now < until:
            assert fence == answer
            self.leases[key] = owner, fence, max(until, self.now + ttl)
        else:
            assert answer > self.highest_fence
            self.highest_fence = answer
            self.leases[key] = owner, answer, self.now + ttl

    @rule(key=FEW, owner=OWNERS)
    def release(self, key: bytes, owner: bytes) -> None:
        self.call("release", key, owner)
        if self.leases.get(key, (None,))[0] == owner:
            del self.leases[key]

    @rule(name=FEW, span=SPANS, value=st.floats(allow_nan=False, allow_infinity=False))
    def remember(self, name: bytes, span: float, value: float) -> None:
        known, until = self.names.get(name, (0.0, 0.0))
        is_new = self.now >= until or value > known
        assert is_new == self.call("remember", name, self.now, self.now + span, value)
        if is_new:
            self.names[name] = value, self.now + span

    @rule(name=FEW)
    def recall(self, name: bytes) -> None:
        value, until = self.names.get(name, (0.0, 0.0))
        assert (value if self.now < until else None) == self.call("recall", name, self.now)

    @rule(limit=st.integers(0, 3))
    def purge(self, limit: int) -> None:
        assert 0 <= self.call("purge", self.now, limit) <= limit


def check_against_model(urls: Iterator[str], *, examples: int) -> None:
    """Runs that many sequences of calls, each against a store of its own."""

    model = type("Model", (StoreModel,), {"urls": urls})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        model, settings=settings(max_examples=examples, stateful_step_count=50, deadline=None)
    )

"""Verifying what was captured from standard output: a chain for each process, all mixed, among other output."""

from collections.abc import Iterable
from dataclasses import dataclass

from bff.access.auditing.chain import Chain, NoLine
from bff.access.auditing.sinks import Verification
from bff.access.auditing.verification import RawLine, Walk

_NOTE = "standard output has no head record: whether lines at the end are missing cannot be told"


@dataclass(frozen=True, slots=True)
class Captured:
    """Holds every chain that is found to its own order."""

    chain: Chain

    def verify(self, lines: Iterable[RawLine]) -> Verification:
        """Walk along all chains at once; what is no audit line is passed over."""
        walks: dict[str, Walk] = {}
        count = 0
        for raw in lines:
            try:
                name = self.chain.parse(raw.content).chain
            except NoLine:
                continue
            count += 1
            walk = walks.setdefault(name, Walk(self.chain))
            problem = walk.run([raw])
            if problem is not None:
                return Verification(False, count, problem, (f"in the chain {name}",))
        if not walks:
            return Verification(True, 0, notes=("no audit line was found",))
        notes = [note for walk in walks.values() for note in walk.notes]
        lasts = [walk.last for walk in walks.values() if walk.last is not None]
        return Verification(
            ok=True,
            lines=count,
            notes=(f"{len(walks)} chain(s), one for each process", *notes, _NOTE),
            last_time=max(line.time for line in lasts),
        )

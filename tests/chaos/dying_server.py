"""The product, in which the first worker to reach a named step of a renewal is killed there.

The steps are wrapped from outside, before the workers are forked: the product knows nothing of them.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bff.cli import main as product
from bff.session.renewal import Renewer
from bff.session.renewal_lease import Leases
from bff.session.stores.redis import RedisStore
from bff.session.stores.sqlite import SqliteStore

STEP, ONCE = "DIE_AT", "DIE_ONCE"  # variables: the step's name, and a file that does not exist before the death

# What is wrapped, and whether it has been carried out when the worker dies.
STEPS: dict[str, list[tuple[type, str, bool]]] = {
    "the lease is taken": [(Leases, "take", True)],
    "the issuer is about to be asked": [(Renewer, "_ask_issuer", False)],
    "the issuer has answered": [(Renewer, "_write", False)],
    # The store pushes what it has written in the same transaction: nothing of this worker's lies in between.
    "the store has written": [(RedisStore, "replace", True), (SqliteStore, "replace", True)],
    "the lease is about to be given back": [(Leases, "release", False)],
}


def die(once: Path) -> None:
    """Kill this process, if none has died yet."""
    with suppress(FileExistsError):
        once.touch(exist_ok=False)
        os.kill(os.getpid(), signal.SIGKILL)


def wrap(owner: type, name: str, is_done: bool, once: Path) -> None:
    """Have whoever comes to this method die, before or after it."""
    method: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def deadly(*args: Any, **options: Any) -> Any:
        if not is_done:
            die(once)
        answer = await method(*args, **options)
        if is_done:
            die(once)
        return answer

    setattr(owner, name, deadly)


def main() -> None:
    """The command line."""
    for step in STEPS[os.environ[STEP]]:
        wrap(*step, Path(os.environ[ONCE]))
    product()

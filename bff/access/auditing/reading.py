"""Threads of their own for reading: however many searches and verifications are asked for, writing waits for none.

The event loop's common threads are few, and the log is written, and names of hosts are resolved, by them.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_SEARCHES = ThreadPoolExecutor(2, "audit-search")
_VERIFICATIONS = ThreadPoolExecutor(1, "audit-verification")  # long, and searches are not to wait for them


async def search_aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do what takes less than a second."""
    return await asyncio.get_running_loop().run_in_executor(_SEARCHES, lambda: work(*args, **kwargs))


async def verify_aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do what may take a minute; one after the other."""
    return await asyncio.get_running_loop().run_in_executor(_VERIFICATIONS, lambda: work(*args, **kwargs))

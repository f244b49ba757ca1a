"""Which deaths of workers end the server."""

from collections.abc import Callable
from typing import Any


class Deaths(dict[int, float]):
    """When each worker was last replaced, for granian (2.8): a second death within 5.5 s ends the server.

    That is right for workers that cannot start. One that has served is replaced however often it is killed: its
    siblings would go with the server.
    """

    def __init__(self, has_served: Callable[[int], bool]) -> None:
        super().__init__()
        self._has_served = has_served

    def get(self, index: int, default: Any = 0.0) -> Any:
        """Return when this worker, which has just died, was begun: long ago for one that has served."""
        return float("-inf") if self._has_served(index) else super().get(index, default)

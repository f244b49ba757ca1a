"""The tasks of the demo API: a bounded list in memory."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

MAX_TASKS = 200
MAX_TITLE_CHARACTERS = 200
SEEDS = (
    "Read what the browser can see: one cookie, and no token in it",
    "Sign in as bob and try to delete this",
    "Wait half a minute and watch the access token renew itself",
)


class TitleRefused(ValueError):
    """A title is text of 1 to 200 characters."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task; `created_by` is a subject, `created_at` epoch seconds."""

    id: str
    title: str
    created_by: str
    created_at: int


def check_title(title: object) -> str:
    """The title without blanks around it.

    Raises:
        TitleRefused: it is not text, empty or too long.
    """
    if not isinstance(title, str) or not (stripped := title.strip()):
        raise TitleRefused("A task needs a title.")
    if len(stripped) > MAX_TITLE_CHARACTERS:
        raise TitleRefused(f"A title has at most {MAX_TITLE_CHARACTERS} characters.")
    return stripped


class TaskList:
    """At most `MAX_TASKS` tasks, oldest first; when it is full, the oldest makes room.

    Args:
        now: epoch seconds.
        titles: what is there from the start.
    """

    def __init__(self, now: Callable[[], float], titles: Iterable[str] = SEEDS) -> None:
        self._now = now
        self._ids = itertools.count(1)
        self._tasks: dict[str, Task] = {}
        for title in titles:
            self.create(title, "demo")

    def list(self) -> list[Task]:
        return list(self._tasks.values())

    def create(self, title: object, subject: str) -> Task:
        """The new task.

        Raises:
            TitleRefused: as `check_title`.
        """
        task = Task(str(next(self._ids)), check_title(title), subject, int(self._now()))
        if len(self._tasks) >= MAX_TASKS:
            del self._tasks[next(iter(self._tasks))]
        self._tasks[task.id] = task
        return task

    def delete(self, task_id: str) -> bool:
        """Whether there was such a task."""
        return self._tasks.pop(task_id, None) is not None

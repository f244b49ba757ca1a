"""`make demo`: starts a real OpenID provider, a demo API and bff with the example app, until Ctrl-C.

`--check` signs in, uses the API, waits for a renewal and signs out by itself, tells what it did, and exits 0 or 1.
"""

import argparse
import io
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import NoReturn

import httpx
from check import check
from person import Surprise
from processes import PartFailed
from stack import Stack, Wishes, state_folder

_LOOK_EVERY = 0.25  # seconds
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Somebody wants us to stop. No Exception, so that nothing on the way takes it for an error."""


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise Interrupted


@contextmanager
def told(what: str) -> Iterator[None]:
    """Says what is being done, and how long it took."""
    began = time.monotonic()
    print(f"{what} … ", end="", flush=True)
    try:
        yield
    except BaseException:
        print("stopped", flush=True)
        raise
    print(f"{time.monotonic() - began:.1f} s", flush=True)


def boxed(lines: Sequence[str]) -> str:
    """The lines with a frame around them."""
    width = max(map(len, lines))
    body = [f"│  {line.ljust(width)}  │" for line in lines]
    return "\n".join([f"╭{'─' * (width + 4)}╮", *body, f"╰{'─' * (width + 4)}╯"])


def announcement(stack: Stack) -> str:
    """What a person needs to know now."""
    wishes = stack.wishes
    return boxed(
        [
            "",
            f"Open     {stack.url}",
            f"Console  {stack.console}   (as alice)",
            "",
            "alice / alice   admin: reads, creates and deletes tasks",
            "bob   / bob     reader: may look, and is told so",
            "",
            f"Watch  the access token, which lives {wishes.token_ttl} s: it is renewed, and the page feels nothing",
            "       the browser's tools: one HttpOnly cookie, and no token anywhere",
            "       a second tab, while you sign out in the first",
            "       bob in a second browser: his deletion is refused, alice finds it in the",
            "       console's audit log and ends his session, and his page says so at once",
            "",
            "Ctrl-C stops everything.",
            "",
        ]
    ) + (
        f"\nOpenID provider {stack.issuer}   API {stack.api}   health {stack.management}/health/ready"
        f"\nOperators {stack.management}/console/ with the token in {stack.state / 'admin.token'}"
        f"\nLogs {stack.state / 'logs'}   configuration and audit log in {stack.state}"
    )


def wait_for_the_end(stack: Stack) -> None:
    """Returns when somebody wants us to stop.

    Raises:
        PartFailed: a part has ended by itself.
    """
    asked = Event()
    for number in _STOP_SIGNALS:
        signal.signal(number, lambda *_: asked.set())
    while not asked.wait(_LOOK_EVERY):
        stack.check_alive()


def checked(stack: Stack) -> int:
    """Runs the check; 0 when all is as it should be, else 1 with what is not."""
    began = time.monotonic()
    try:
        check(stack, lambda line: print(f"  ✓ {line}", flush=True))
    except (Surprise, httpx.HTTPError, KeyError, ValueError) as surprise:
        stack.check_alive()  # the reason, if a part has died
        print(
            f"  ✗ {type(surprise).__name__}: {surprise}\nThe check failed. Logs: {stack.state / 'logs'}", flush=True
        )
        return 1
    print(f"All is well, checked in {time.monotonic() - began:.1f} s.", flush=True)
    return 0


def demo(wishes: Wishes, *, is_check: bool) -> int:
    """Starts, shows or checks, and stops; the exit status."""
    with state_folder(wishes.state) as state:
        stack = Stack(wishes, state, told)
        try:
            stack.start()
            if wishes.port and not stack.url.endswith(f":{wishes.port}"):
                print(f"Port {wishes.port} is taken, so the app is at {stack.url}.", flush=True)
            if is_check:
                return checked(stack)
            print(announcement(stack), flush=True)
            wait_for_the_end(stack)
        except PartFailed as failed:
            print(f"\n{failed}", flush=True)
            return 1
        except Interrupted:
            return 130 if is_check else 0
        finally:
            for number in _STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)  # it is under way, and takes seconds at most
            print(flush=True)
            with told("Stopping"):
                stack.stop()
        return 0


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(prog="make demo", usage='make demo DEMO_ARGS="[options]"', description=__doc__)
    parser.add_argument("--check", action="store_true", help="sign in, use the API, sign out, and tell about it")
    parser.add_argument("--port", type=_number(0, 65535), default=8080, help="where the app is; 0 is any (8080)")
    parser.add_argument(
        "--store", choices=["sqlite", "redis"], default="sqlite", help="where sessions are (sqlite)"
    )
    parser.add_argument("--workers", type=_number(1, 64), default=1, help="processes of bff (1)")
    parser.add_argument("--token-ttl", type=_number(2, 3600), default=30, help="seconds an access token lives (30)")
    parser.add_argument("--state", type=Path, help="folder for configuration, sessions and logs (.cache/demo)")
    return parser.parse_args(arguments)


def _number(lowest: int, highest: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"must be from {lowest} to {highest}")
        return value

    return number


def main(arguments: Sequence[str]) -> int:
    """Runs the demo; its exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows neither our frame nor our marks
    asked = parse_arguments(arguments)
    for number in _STOP_SIGNALS:
        signal.signal(number, _interrupt)
    state = asked.state.absolute() if asked.state else None
    wishes = Wishes(asked.port, asked.store, asked.workers, asked.token_ttl, state)
    return demo(wishes, is_check=asked.check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The part of the demo's check that is about who may do what: alice finds what bob tried, and ends his session."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from urllib.parse import urlencode

from person import Person, Surprise, expect
from stack import Stack

_AT_ONCE = 1.0  # seconds within which a page must know that its session has been ended
_WRITTEN_WITHIN = 10.0  # seconds: audit log and numbers are written beside the requests, by each worker

Tell = Callable[[str], None]


def govern(alice: Person, bob: Person, stack: Stack, tell: Tell) -> None:
    """Goes through the story of the two, after bob has been refused.

    Raises:
        Surprise: something is not as it should be.
    """
    code = bob.call("GET", "/bff/admin/me", 403)["code"]
    tell(f"the admin API is closed to bob: 403 {code}")
    page = alice.open(stack.console)
    expect("text/html" in page.headers["content-type"], "the console is no page")
    operator = alice.call("GET", "/bff/admin/me", 200)
    expect(operator["operator"] == "alice", f"the console takes alice for {operator['operator']}")
    tell(f"alice opens the console at {stack.console}")
    session = _find_session(alice, bob, tell)
    _find_denial(alice, session, tell)
    _end_session(alice, bob, session, tell)


def _find_session(alice: Person, bob: Person, tell: Tell) -> str:
    (found,) = alice.call("GET", "/bff/admin/sessions?subject=bob", 200)["items"]
    own: str = bob.call("GET", "/bff/user", 200)["session"]["id"]
    expect(found["session"] == own, f"alice finds the session {found['session']}, bob's is {own}")
    tell(f"alice finds bob's session {own}, roles {', '.join(found['roles'])}")
    return own


def _find_denial(alice: Person, session: str, tell: Tell) -> None:
    query = urlencode({"event": "access.denied", "session": session})
    (line,) = _eventually(
        lambda: alice.call("GET", f"/bff/admin/audit?{query}", 200)["items"], "the denial is not in the audit log"
    )
    expect(line["subject"] == "bob", f"the denial is told of {line['subject']}")
    expect(line["method"] == "DELETE", f"denied was a {line['method']}")
    _eventually(
        lambda: alice.call("GET", "/bff/admin/overview?window=3600", 200)["denials_by_route"],
        "the overview shows no denial",
    )
    verified = alice.call("POST", "/bff/admin/audit/verification", 200)
    expect(verified["ok"], f"the audit log does not hold: {verified['problem']}")
    tell(
        f"and in the audit log what he tried: {line['method']} {line['route']} denied, {line['reason']}; "
        f"{verified['lines']} lines, none changed"
    )


def _eventually(ask: Callable[[], list[Any]], otherwise: str) -> list[Any]:
    """The answer, as soon as it is not empty."""
    deadline = time.monotonic() + _WRITTEN_WITHIN
    while not (found := ask()):
        expect(time.monotonic() < deadline, otherwise)
        time.sleep(0.05)
    return found


def _end_session(alice: Person, bob: Person, session: str, tell: Tell) -> None:
    listening = Event()
    with ThreadPoolExecutor(1) as page:
        told = page.submit(bob.wait_for_the_end, listening)
        expect(listening.wait(10), "bob's page hears no events")
        asked = time.monotonic()
        ended = alice.call("POST", "/bff/admin/revocations", 200, json={"session": session})["ended"]
        reason = told.result(10)
        took = time.monotonic() - asked
    expect(ended == 1, f"{ended} sessions were ended")
    expect(reason == "revoked", f"bob's page was told of {reason}")
    expect(took < _AT_ONCE, f"bob's page noticed after {took:.1f} s")
    (code,) = _eventually(lambda: _refusal(bob), "bob can go on")  # the other workers hear of it within moments
    tell(f"alice ends it, bob's page knows {took * 1000:.0f} ms after she asked, and the API says 401 {code}")


def _refusal(person: Person) -> list[str]:
    """The code with which a call is refused for want of a session; empty while it is not."""
    try:
        return [person.call("GET", "/api/tasks", 401)["code"]]
    except Surprise:
        return []

"""`make demo DEMO_ARGS=--check`: what a person would try out in the demo, done and told line by line."""

import re
import time
from collections.abc import Callable
from typing import Any

from governance import govern
from person import Person, expect
from stack import Stack

_ASK_EVERY = 0.25  # seconds
_PATIENCE = 20.0  # beyond the life of a token

Tell = Callable[[str], None]


def check(stack: Stack, tell: Tell) -> None:
    """Goes through a whole session of each user.

    Raises:
        Surprise: something is not as it should be.
        PartFailed: a server has ended meanwhile.
    """
    with Person(stack.url, stack.issuer) as alice, Person(stack.url, stack.issuer) as bob:
        _open_the_page(alice, stack, tell)
        _sign_in(alice, "alice", stack, tell)
        _use_the_api(alice, tell)
        _stay_through_a_renewal(alice, stack, tell)
        _be_refused(bob, stack, tell)
        govern(alice, bob, stack, tell)
        _sign_out(alice, stack, tell)
        _look_for_tokens([alice, bob], tell)


def _open_the_page(person: Person, stack: Stack, tell: Tell) -> None:
    page = person.open(f"{stack.url}/")
    scripts = re.findall(r'<script[^>]+src="([^"]+)"', page.text)
    expect(bool(scripts), "the example app's page has no script")
    for script in scripts:
        person.open(f"{stack.url}{script}")
    code = person.call("GET", "/bff/user", 401)["code"]
    expect(code == "session_required", f"signed out, /bff/user says {code}")
    tell(f"{stack.url}/ serves the example app; nobody is signed in (401 {code})")


def _sign_in(person: Person, name: str, stack: Stack, tell: Tell) -> dict[str, Any]:
    form = person.open(f"{stack.url}/bff/login?return_to=/")
    expect(str(form.url).startswith(stack.issuer), f"the login led to {form.url.host}, not to the provider")
    page = person.submit(form, login=name, password=name)
    expect(str(page.url) == f"{stack.url}/", f"after the login the browser is at {page.url.path}")
    user: dict[str, Any] = person.call("GET", "/bff/user", 200)
    expect(user["sub"] == name, f"/bff/user says {user['sub']}")
    size = len(person.cookies.get("__Host-bff", ""))
    expect(0 < size < 300, f"the session cookie has {size} bytes")
    tell(f"{name} signed in with the form at {stack.issuer}, and is back at the page")
    tell(
        f"/bff/user: {user['name']} <{user['email']}>, roles {', '.join(user['roles'])}, session "
        f"{user['session']['id']} for {user['session']['expires_in'] / 3600:.0f} h; one cookie of {size} bytes"
    )
    return user


def _use_the_api(person: Person, tell: Tell) -> None:
    caller = person.call("GET", "/api/whoami", 200)
    tell(f"the API sees {caller['subject']} with a token good for {caller['token']['expires_in']} s")
    task = person.call("POST", "/api/tasks", 201, json={"title": "Written by the demo's check"})
    expect(task["id"] in _task_ids(person), "the new task is not in the list")
    tell(f"created task {task['id']}, found it in the list")
    person.call("DELETE", f"/api/tasks/{task['id']}", 204)
    expect(task["id"] not in _task_ids(person), "the deleted task is still in the list")
    tell(f"deleted task {task['id']}")


def _task_ids(person: Person) -> list[str]:
    return [task["id"] for task in person.call("GET", "/api/tasks", 200)["items"]]


def _stay_through_a_renewal(person: Person, stack: Stack, tell: Tell) -> None:
    """Calls the API until the token behind the calls is another one. Every call must be answered with 200."""
    session = person.call("GET", "/bff/user", 200)["session"]["id"]
    first = person.call("GET", "/api/whoami", 200)["token"]
    tell(f"calling the API until the access token is renewed (it expires in {first['expires_in']} s) …")
    began = time.monotonic()
    calls, slowest, token = 0, 0.0, first
    while token["expires_at"] == first["expires_at"]:
        waited = time.monotonic() - began
        expect(waited < stack.wishes.token_ttl + _PATIENCE, f"no renewal in {waited:.0f} s")
        stack.check_alive()
        time.sleep(_ASK_EVERY)
        asked = time.monotonic()
        token = person.call("GET", "/api/whoami", 200)["token"]
        slowest = max(slowest, time.monotonic() - asked)
        calls += 1
    expect(token["expires_at"] > first["expires_at"], "the new token expires before the old one")
    expect(person.call("GET", "/bff/user", 200)["session"]["id"] == session, "the session is another one")
    tell(
        f"renewed after {time.monotonic() - began:.1f} s: the expiry moved on by "
        f"{token['expires_at'] - first['expires_at']} s; {calls} calls, none failed, the slowest took "
        f"{slowest * 1000:.0f} ms; same session, same cookie"
    )


def _be_refused(person: Person, stack: Stack, tell: Tell) -> None:
    _sign_in(person, "bob", stack, tell)
    some_task = _task_ids(person)[0]
    code = person.call("DELETE", f"/api/tasks/{some_task}", 403)["code"]
    expect(code == "access_denied", f"bob was refused with {code}")
    expect(some_task in _task_ids(person), "the task is gone all the same")
    tell(f"bob may read but not delete: 403 {code}")


def _sign_out(person: Person, stack: Stack, tell: Tell) -> None:
    stale = dict(person.cookies)
    question = person.open(stack.url + person.call("GET", "/bff/user", 200)["logout_url"])
    page = person.submit(question, logout="yes") if str(question.url).startswith(stack.issuer) else question
    expect(str(page.url).startswith(f"{stack.url}/"), f"after the logout the browser is at {page.url}")
    person.call("GET", "/bff/user", 401)
    person.cookies = stale  # as a thief would
    code = person.call("GET", "/api/whoami", 401)["code"]
    tell(f"signed out here and at the provider; the old cookie opens nothing any more (401 {code})")


def _look_for_tokens(people: list[Person], tell: Tell) -> None:
    seen = [place for person in people for place in person.tokens]
    expect(not seen, f"a token reached the browser: {', '.join(seen)}")
    tell(f"no token in any of the {sum(person.responses for person in people)} responses that reached a browser")

"""The errors and the page that explains them say the same."""

import inspect
import re
from pathlib import Path

import pytest

import bff.errors
import bff.web.admin.errors
from bff.errors import (
    BffError,
    CallbackRejected,
    GrantRejected,
    LogoutTokenRejected,
    MethodNotAllowed,
    RenewalUnchecked,
)

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
CLASSES = [
    found
    for module in (bff.errors, bff.web.admin.errors)
    for _, found in inspect.getmembers(module, inspect.isclass)
    if issubclass(found, BffError) and found.__module__ == module.__name__
]
BY_CODE = {found.code: found for found in CLASSES if "code" in vars(found)}


def sections():
    """The text below each heading of the page."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def make(kind):
    """An error of this class with as little as it needs."""
    needed = {GrantRejected: ["invalid_grant"], CallbackRejected: ["x"], LogoutTokenRejected: ["x"]}
    if kind is MethodNotAllowed:
        return kind(allow="GET")
    return kind(*needed.get(kind, [None] if kind is RenewalUnchecked else []))


def test_every_code_has_a_section_and_every_section_a_code():
    """Nobody meets a code that is not explained."""
    assert sorted(BY_CODE) == sorted(sections())


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_section_names_the_status_and_the_wait(code):
    """The page says which status comes, and whether `Retry-After` comes with it."""
    text = sections()[code].lstrip()

    assert text.startswith(str(BY_CODE[code].status))
    assert (make(BY_CODE[code]).retry_after is not None) is ("with `Retry-After`" in text)


def test_codes_are_unique_and_stable_words():
    """A class without a code of its own shares its parent's on purpose, and is told apart by nobody outside."""
    shared = sorted(found.__name__ for found in CLASSES if "code" not in vars(found))

    assert ["CookieUnreadable", "RenewalUnchecked"] == shared
    assert len(BY_CODE) == len(CLASSES) - len(shared)
    assert [] == [code for code in BY_CODE if not re.fullmatch(r"[a-z]+(_[a-z]+)*", code)]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_says_in_a_sentence_what_happened(kind):
    """Title and detail are for people; the status is one of an error."""
    error = make(kind)

    assert 400 <= error.status <= 599
    assert kind.__doc__
    assert error.detail == kind.default_detail
    assert error.detail.endswith(".")
    assert f"{error.code}: {error.detail}" == str(error)
    assert not error.title.endswith(".")


def test_errors_carry_data_of_their_own():
    """Detail, members and waiting times are given where the error is raised."""
    error = BffError("Because.", retry_after=3, limit=7, reason="x")

    assert ("Because.", 3, {"limit": 7, "reason": "x"}) == (error.detail, error.retry_after, error.members)
    assert ("x", 400, "x", 503) == (
        (plain := CallbackRejected("x")).reason,
        plain.http_status,
        (unwell := CallbackRejected("x", status=503)).reason,
        unwell.http_status,
    )
    assert ("invalid_grant", "no") == (GrantRejected("invalid_grant").error, LogoutTokenRejected("no").reason)
    assert "token" == RenewalUnchecked("token").refresh_token


def test_every_reason_for_which_a_session_ends_is_explained():
    """What is written into the store as a reason reaches pages, and stands in the table."""
    root = PAGE.parents[1] / "bff"
    written = set()
    for path in root.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        written |= set(re.findall(r'SessionExpired\(reason="(\w+)"\)', text))
        written |= set(re.findall(r'(?:\.end|end_key|_end)\(\s*[\w.]+,\s*"(\w+)"', text))
        written |= set(re.findall(r'^_REASON = "(\w+)"', text, re.MULTILINE))
    table = set(re.findall(r"^\| `(\w+)` \|", sections()["session_expired"], re.MULTILINE))

    assert written - table == set()
    assert {"logout", "replaced", "backchannel_logout", "tokens_expired"} <= written

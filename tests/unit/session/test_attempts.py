"""Login attempts in the browser's cookies."""

import pytest

from bff.crypto.key_ring import KeyRing
from bff.oidc.attempt import LoginAttempt, new_attempt
from bff.session.attempts import AttemptCookies, PendingLogin
from tests.values import KEY, NOW, OLD_KEY, RING

COOKIES = AttemptCookies(RING, "__Host-bff")


def pending(number=0, **changes):
    fields = {
        "state": f"state-{number}",
        "nonce": "n",
        "code_verifier": "v",
        "return_to": "/",
        "issuer": "https://op.test",
        "started_at": NOW + number,
    }
    return PendingLogin(LoginAttempt(**{**fields, **changes}))


def jar(*lines):
    """The Cookie header of a browser that was told these Set-Cookie values."""
    kept = {}
    for line in lines:
        name, _, value = line.partition(b";")[0].partition(b"=")
        kept.pop(name, None)
        if b"Max-Age=0" not in line:
            kept[name] = value
    return [b"; ".join(name + b"=" + value for name, value in kept.items())]


@pytest.mark.parametrize(
    "login",
    [
        pending(),
        PendingLogin(pending(max_age=0, acr_values="gold silver").attempt, silent=True, replaces=b"k" * 32),
    ],
)
def test_attempt_is_found_by_its_state(login):
    """It comes back whole; the cookie is HttpOnly, Secure, Lax, lives ten minutes, and shows nothing."""
    (line,) = COOKIES.begin(login, [], NOW)

    assert login == COOKIES.find("state-0", jar(line), NOW + 599)
    assert line.startswith(b"__Host-bff-login-")
    assert line.endswith(b"; Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Lax")
    assert b"state-0" not in line


@pytest.mark.parametrize("state", [None, "", "state-1", "STATE-0", "state-0 ", "\udcff"])
def test_other_states_find_nothing(state):
    """RFC 9700 §4.7: the answer belongs to the browser that asked."""
    (line,) = COOKIES.begin(pending(), [], NOW)

    assert None is COOKIES.find(state, jar(line), NOW)


def test_attempt_is_found_no_longer_than_it_lives():
    """Ten minutes, whatever the browser keeps."""
    (line,) = COOKIES.begin(pending(), [], NOW)

    assert None is COOKIES.find("state-0", jar(line), NOW + 601)


def test_cookie_renamed_to_another_attempt_s_name_is_refused():
    """The name alone does not make an attempt: the state inside must be the one that came back."""
    (one,), (two,) = COOKIES.begin(pending(1), [], NOW), COOKIES.begin(pending(2), [], NOW)
    name = two.partition(b"=")[0]
    value = one.partition(b";")[0].partition(b"=")[2]

    assert None is COOKIES.find("state-2", [name + b"=" + value], NOW)


def test_five_attempts_are_kept_and_the_oldest_goes():
    """A browser that begins and never finishes keeps five cookies, not fifty."""
    lines = []
    for number in range(9):
        lines += COOKIES.begin(pending(number), jar(*lines), NOW + number)

    found = [COOKIES.find(f"state-{number}", jar(*lines), NOW + 9) is not None for number in range(9)]
    assert [False] * 4 + [True] * 5 == found


def test_large_attempts_are_kept_within_a_budget():
    """RFC 6265bis §6.1: header sections have limits, so the attempts share six kilobytes."""
    lines = []
    for number in range(5):
        large = pending(number, return_to="/" + "a" * 1023, acr_values="b" * 1000)
        lines += COOKIES.begin(large, jar(*lines), NOW + number)

    assert len(jar(*lines)[0]) <= 6 * 1024 + 5 * 40
    assert None is not COOKIES.find("state-4", jar(*lines), NOW + 5)


def test_largest_attempt_is_small_enough_for_browsers():
    """RFC 6265bis §5.6: a browser drops what is longer than 4096 bytes, and then no login could end."""
    attempt = new_attempt(
        return_to="/" + "a" * 1023,
        issuer="https://" + "i" * 180,
        now=NOW,
        max_age=999_999_999,
        acr_values=" ".join(["b" * 128] * 10),
    )
    (line,) = COOKIES.begin(PendingLogin(attempt, replaces=b"k" * 32), [], NOW)

    assert len(line) <= 4096


def test_unreadable_attempts_are_cleared_with_the_next_login():
    """Damaged ones, those of a key that is gone and expired ones make room; odd names are left alone."""
    (old,) = AttemptCookies(KeyRing([OLD_KEY]), "__Host-bff").begin(pending(1), [], NOW)
    (expired,) = COOKIES.begin(pending(2), [], NOW - 700)
    junk = b"__Host-bff-login-junk=x"
    odd = b"__Host-bff-login-\xe9=x"

    lines = COOKIES.begin(pending(3), [*jar(old, expired, junk, odd)], NOW)

    cleared = {line.partition(b"=")[0] for line in lines if b"Max-Age=0" in line}
    assert {line.partition(b"=")[0] for line in (old, expired, junk)} == cleared
    assert 1 == len([line for line in lines if b"Max-Age=600" in line])


def test_sealed_junk_is_no_attempt():
    """What our key sealed and is no attempt is refused as well."""
    name = COOKIES.begin(pending(), [], NOW)[0].partition(b"=")[0]

    assert None is COOKIES.find("state-0", [name + b"=" + COOKIES._envelope.seal(b"junk", NOW)], NOW)


def test_attempts_are_ended_one_by_one():
    """A finished attempt takes its cookie along."""
    lines = [*COOKIES.begin(pending(1), [], NOW), *COOKIES.begin(pending(2), [], NOW)]

    assert None is COOKIES.find("state-1", jar(*lines, COOKIES.deletion("state-1")), NOW)
    assert [b""] == jar(*lines, COOKIES.deletion("state-1"), COOKIES.deletion("state-2"))


def test_rotated_key_still_finds_attempts():
    """A login that began before a rotation ends after it."""
    lines = AttemptCookies(KeyRing([OLD_KEY]), "__Host-bff").begin(pending(), [], NOW)

    assert pending() == AttemptCookies(KeyRing([KEY, OLD_KEY]), "__Host-bff").find("state-0", jar(*lines), NOW)

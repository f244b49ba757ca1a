"""`[admin]`: nobody is let in by a slip of the pen."""

import pytest

from tests.unit.config.conftest import VALID

TOKEN = "operators-token-0123456789abcdefghijklmnop"


def text(*lines, before=""):
    """A whole file with these lines in `[admin]`."""
    return before + VALID + "\n[admin]\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("written", "key", "message"),
    [
        (text(), "admin", "lets nobody in"),
        (text('token = "short"'), "admin.token", "has 5 characters"),
        (text(f'token = "{"ab" * 20}"'), "admin.token", "repeats a few characters, and can be guessed"),
        (text(f'token = "{TOKEN} {TOKEN}"'), "admin.token", "holds characters that no bearer token can hold"),
        (text('token = { env = "NO_SUCH" }'), "admin.token", 'the environment variable "NO_SUCH" is not set'),
        (text(f'token = "{TOKEN}"', "role = []"), "admin.role", "unknown key"),
        (
            text('roles = ["admin"]', 'networks = ["everywhere"]'),
            "admin.networks.0",
            "is no address and no network",
        ),
    ],
    ids=range(7),
)
def test_slip_stops_the_start(disk, written, key, message):
    """A token that can be guessed, a table that opens nothing, a key that is misspelt."""
    told = [(complaint[0], complaint[2], complaint[3]) for complaint in disk.complaints(written)]

    assert ("error", key) in {(level, where) for level, where, _ in told}
    assert any(message in found for _, where, found in told if where == key), told


@pytest.mark.parametrize("secret", [TOKEN, "short", "ab" * 20])
def test_token_is_never_quoted(disk, secret):
    """What is wrong with a secret is said without it."""
    assert secret not in repr(disk.complaints(text(f'token = "{secret}"')))


def test_token_for_everybody_has_to_be_meant(disk):
    """`management_listen = "same"` puts health in public; a token that anybody may try needs a word of its own."""
    disk.environ["ADMIN_TOKEN"] = TOKEN
    shared = VALID + '\n[server]\nmanagement_listen = "same"\n\n[admin]\ntoken = { env = "ADMIN_TOKEN" }\n'

    (complaint,) = disk.complaints(shared)
    assert ("error", "admin.token") == (complaint[0], complaint[2])
    assert "admin.token_on_public" in complaint[4]
    assert [] == disk.complaints(shared + "token_on_public = true\n")


def test_role_must_be_known_where_that_is_told(disk):
    """A misspelt role would let nobody in, or one day the wrong people."""
    (complaint,) = disk.complaints(text('roles = ["amdin"]') + '[roles]\nknown = ["admin", "reader"]\n')

    assert ("error", "admin.roles.0", 'did you mean "admin"?') == (complaint[0], complaint[2], complaint[4])


@pytest.mark.parametrize(
    ("line", "key"), [("token_on_public = true", "admin.token_on_public"), ('networks = ["0.0.0.0/0"]', None)]
)
def test_what_has_no_effect_is_a_warning(disk, line, key):
    """Whoever wrote it believes that it does something."""
    (complaint,) = disk.complaints(text('roles = ["admin"]', line))

    assert ("warning", key or "admin.networks.0") == (complaint[0], complaint[2])


def test_routes_stay_clear_of_what_is_served_in_public(disk):
    """A route at /admin would hide the API, or be hidden by it."""
    disk.environ["ADMIN_TOKEN"] = TOKEN
    admin = '[admin]\ntoken = { env = "ADMIN_TOKEN" }\ntoken_on_public = true\n'
    routes = VALID.replace("/api/orders", "/admin/orders")
    shared = f'{routes}\n[server]\nmanagement_listen = "same"\n\n{admin}'

    assert ["api.0.path"] == [complaint[2] for complaint in disk.complaints(shared)]


def test_everything_at_once_is_fine(disk):
    """A token from the environment, roles and networks."""
    disk.environ["ADMIN_TOKEN"] = TOKEN
    lines = ('token = { env = "ADMIN_TOKEN" }', 'roles = ["admin"]', 'networks = ["10.0.0.0/8"]')

    assert [] == disk.complaints(text(*lines))


def test_token_file_may_say_what_it_is(disk):
    """`bff keys new -o` begins its files with a comment, which is no part of the token."""
    disk.write("admin.token", f"# for operators\n{TOKEN}\n")
    settings, _ = disk.load(text('token = { file = "admin.token" }'))
    assert TOKEN == settings.admin.token.reveal()

    disk.write("admin.token", f"{TOKEN}\n{TOKEN}\n")
    assert ["admin.token"] == [
        complaint[2] for complaint in disk.complaints(text('token = { file = "admin.token" }'))
    ]

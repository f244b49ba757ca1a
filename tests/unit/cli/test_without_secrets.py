"""Commands on a machine that serves nobody: only the secrets that they use must be there."""

import pytest

CASES = """\
[[case]]
name = "anybody who is signed in may read"
subject = "bob"
request = "GET /api/orders"
expect = "allow"
"""


@pytest.fixture
def no_client_secret(configured, monkeypatch):
    """A configuration whose client secret and certificates are elsewhere; its keys and its store are here."""
    configured(
        "tls = { ca_file = 'elsewhere.pem' }\nallow = [{ methods = ['GET'] }]\n[audit]\nsink = 'store'",
        upstream="https://127.0.0.1:9",
    )
    monkeypatch.delenv("BFF_CLIENT_SECRET")


@pytest.fixture
def no_secrets(no_client_secret, directory):
    """Not even the keys."""
    (directory / "bff.keys").unlink()


@pytest.mark.usefixtures("no_secrets")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("access", "explain", "GET", "/api/orders", "--sub", "bob"), "result  allowed"),
        (("access", "test", "cases.toml"), "1 of 1 as expected"),
        (("access", "lint"), "0 errors"),
    ],
)
def test_questions_about_rules_need_no_secret(bff, directory, arguments, told):
    """So that a pipeline can ask them before anything is deployed."""
    (directory / "cases.toml").write_text(CASES)
    result = bff(*arguments)

    assert (0, True) == (result.exit_code, told in result.output)


@pytest.mark.usefixtures("no_client_secret")
@pytest.mark.parametrize(
    "arguments",
    [("sessions", "list"), ("access", "review"), ("audit", "verify"), ("audit", "search"), ("audit", "tail")],
)
def test_looking_into_the_store_needs_no_client_secret(bff, arguments):
    """Keys and store are enough: the issuer is told nothing."""
    assert 0 == bff(*arguments).exit_code


@pytest.mark.usefixtures("no_secrets")
@pytest.mark.parametrize(
    "arguments",
    [("sessions", "list"), ("audit", "verify"), ("access", "explain", "GET", "/api", "--session", "0123456789ab")],
)
def test_a_key_that_is_needed_must_be_there(bff, arguments):
    """It is told as ever, with file, line and key; the client secret, which nobody asks for, is not."""
    result = bff(*arguments)

    assert 1 == result.exit_code
    assert 'keys.secrets.0: the file "bff.keys" does not exist' in result.output
    assert "client_secret" not in result.output


@pytest.mark.usefixtures("no_client_secret")
def test_what_ends_sessions_needs_the_client_secret(bff):
    """The issuer may have to be told."""
    assert 'the environment variable "BFF_CLIENT_SECRET" is not set' in bff("sessions", "revoke", "--all").output


@pytest.mark.usefixtures("no_secrets")
def test_lint_says_when_it_cannot_know_whether_a_review_is_due(bff, directory):
    """The store is closed without its keys."""
    with (directory / "bff.toml").open("a") as file:
        file.write("[review]\ninterval = '90d'\n")
    result = bff("access", "lint")

    assert 0 == result.exit_code
    assert "whether a review is overdue cannot be told: the store's secrets are not here" in result.stderr

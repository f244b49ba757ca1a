"""`bff init`: a first configuration that works as it is."""

import stat
import tomllib

import pytest

from bff.cli.init_template import PROVIDERS, Answers, build_config
from bff.config import load_with_findings
from bff.config.choices import PROVIDERS as KNOWN_PROVIDERS
from bff.config.keys import parse_key_file

ANSWERS = {
    "--issuer": "https://id.example.com/realms/main",
    "--client-id": "spa",
    "--public-url": "https://app.example.com",
    "--upstream": "http://orders.internal:9001/v1",
}


def options(**changes):
    """The options of a full command line."""
    given = ANSWERS | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    return [word for name, value in given.items() if value is not None for word in (name, value)]


def test_every_provider_that_the_configuration_knows_has_a_template():
    """The two lists are one."""
    assert set(KNOWN_PROVIDERS) == set(PROVIDERS)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_init_writes_loads_without_a_warning(bff, directory, provider):
    """For each provider the file is valid as it is, its key file private and its key fresh."""
    result = bff("init", "--provider", provider, *options())
    settings, findings = load_with_findings(environ={"BFF_CLIENT_SECRET": "x"})

    assert (0, []) == (result.exit_code, findings)
    assert (provider, "https://id.example.com/realms/main", "spa") == (
        settings.oidc.provider,
        settings.oidc.issuer,
        settings.oidc.client_id,
    )
    assert ("https://app.example.com", "http://orders.internal:9001/v1") == (
        settings.public_url,
        settings.api[0].upstream,
    )
    assert 0o600 == stat.S_IMODE((directory / "bff.keys").stat().st_mode)
    assert 1 == len(settings.keys.secrets)
    assert settings.keys.secrets[0].reveal() not in result.output


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_example_issuer_of_each_provider_is_one(bff, provider):
    """What the prompt shows as an example would be accepted."""
    assert 0 == bff("init", "--provider", provider, *options(issuer=PROVIDERS[provider].issuer)).exit_code


def test_what_init_says_is_what_must_be_registered(bff):
    """The URIs are told to the letter, and how the secret is given."""
    output = bff("init", *options()).output

    for line in (
        "redirect URI              https://app.example.com/bff/callback",
        "post-logout redirect URI  https://app.example.com/",
        "back-channel logout URI   https://app.example.com/bff/backchannel-logout",
        "export BFF_CLIENT_SECRET=…",
        "bff check -c bff.toml",
    ):
        assert line in output


def test_values_are_escaped():
    """A quote in an answer cannot end the string."""
    nasty = 'a"b\\c\x7f = é\n'
    text = build_config(Answers("generic", "https://id.example.com", nasty, "https://app.example.com", "http://x"))

    assert nasty == tomllib.loads(text)["oidc"]["client_id"]


@pytest.mark.parametrize("there", ["bff.toml", "bff.keys"])
def test_nothing_is_overwritten(bff, directory, there):
    """When one of the files is there, neither is written."""
    (directory / there).write_text("precious")
    result = bff("init", *options())

    assert 1 == result.exit_code
    assert f"{there} exists. Nothing was written; --force overwrites." in result.output
    assert [there] == [path.name for path in directory.iterdir()]
    assert "precious" == (directory / there).read_text()


def test_force_overwrites_and_keeps_old_keys(bff, directory):
    """With --force the configuration is new, and the key file gets a new key in front: nobody is logged out."""
    bff("init", *options())
    ((_, old),) = parse_key_file((directory / "bff.keys").read_text())
    refused = bff("init", *options(client_id="other"))
    forced = bff("init", "--force", *options(client_id="other"))
    (_, new), (_, kept) = parse_key_file((directory / "bff.keys").read_text())

    assert "bff.toml and bff.keys exist." in refused.output
    assert 0 == forced.exit_code
    assert "other" == load_with_findings(environ={"BFF_CLIENT_SECRET": "x"})[0].oidc.client_id
    assert old == kept
    assert old != new


def test_force_does_not_touch_a_key_file_of_something_else(bff, directory):
    """A file that holds no keys is not taken for one."""
    (directory / "bff.keys").write_text("my diary")
    result = bff("init", "--force", *options())

    assert 1 == result.exit_code
    assert "holds white space" in result.output
    assert "my diary" == (directory / "bff.keys").read_text()
    assert not (directory / "bff.toml").exists()


def test_files_go_where_output_says(bff, directory):
    """The key file lies beside the configuration."""
    (directory / "etc").mkdir()
    result = bff("init", "-o", "etc/shop.toml", *options())

    assert 0 == result.exit_code
    assert ["bff.keys", "shop.toml"] == sorted(path.name for path in (directory / "etc").iterdir())


def test_a_directory_that_is_not_there(bff):
    """It is not made, and told."""
    result = bff("init", "-o", "missing/bff.toml", *options())

    assert 1 == result.exit_code
    assert "missing/bff.keys cannot be written: No such file or directory" in result.output


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"public_url": "https://app.example.com/"}, ["--public-url", "more than an origin"]),
        ({"issuer": "http://id.example.com"}, ["--issuer", "it is not https"]),
        ({"upstream": "orders:9001"}, ["--upstream", "does not start with https://"]),
        ({"client_id": " "}, ["--client-id", "it is empty"]),
    ],
)
def test_bad_answers_are_refused(bff, directory, change, words):
    """Each answer is checked as the loader would, before anything is written."""
    result = bff("init", *options(**change))
    told = " ".join(result.output.replace("│", " ").split())

    assert 2 == result.exit_code
    for word in words:
        assert word in told
    assert [] == list(directory.iterdir())


def test_without_a_terminal_everything_must_be_given(bff, directory):
    """Nobody is asked when nobody can answer."""
    result = bff("init", *options(issuer=None, upstream=None))
    told = " ".join(result.output.replace("│", " ").split())

    assert 2 == result.exit_code
    assert "nobody is there to ask: give --issuer, --upstream" in told
    assert [] == list(directory.iterdir())


def test_at_a_terminal_what_is_missing_is_asked(bff, directory, monkeypatch):
    """Wrong answers are asked again; the question shows how the provider's issuers look."""
    monkeypatch.setattr("bff.cli.init.is_interactive", lambda: True)
    lines = ["keycloak", "http://id.example.com", "https://id.example.com/realms/main", "https://app.example.com"]
    result = bff("init", "--client-id", "spa", *["--upstream", "http://x"], input="\n".join(lines) + "\n")
    settings, _ = load_with_findings(environ={"BFF_CLIENT_SECRET": "x"})

    assert 0 == result.exit_code
    assert "Issuer (such as https://keycloak.example.com/realms/main)" in result.output
    assert "it is not https" in result.output
    assert ("keycloak", "https://id.example.com/realms/main", "https://app.example.com") == (
        settings.oidc.provider,
        settings.oidc.issuer,
        settings.public_url,
    )


@pytest.mark.parametrize(
    ("public_url", "listen"),
    [
        ("https://app.example.com", "127.0.0.1:8080"),
        ("https://app.example.com:8443", "127.0.0.1:8080"),
        ("http://localhost:3000", "127.0.0.1:3000"),
        ("http://localhost", "127.0.0.1:80"),
        ("http://[::1]:3000", "[::1]:3000"),
    ],
)
def test_on_localhost_the_server_listens_where_the_browser_goes(bff, public_url, listen):
    """Nothing is in front there; with https a proxy is, and it finds the usual port."""
    assert 0 == bff("init", *options(public_url=public_url)).exit_code

    assert listen == load_with_findings(environ={"BFF_CLIENT_SECRET": "x"})[0].server.listen

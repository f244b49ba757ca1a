"""What is told of a configuration that has changed under a running server."""

from dataclasses import replace

from bff.cli.reloading import FIXED, changed_keys
from bff.config.settings import ApiSettings, OidcSettings, Secret, Settings

OLD = Settings("https://app.example.com", OidcSettings("https://id.example.com", "spa", Secret("old")))


def test_keys_that_differ_are_named():
    """As the file has them; arrays as a whole."""
    new = replace(
        OLD,
        oidc=replace(OLD.oidc, client_secret=Secret("new"), userinfo=True),
        server=replace(OLD.server, workers=4),
        api=(ApiSettings("/api", "http://up"),),
    )

    assert ["oidc.client_secret", "oidc.userinfo", "server.workers", "api"] == changed_keys(OLD, new)
    assert [] == changed_keys(OLD, replace(OLD))


def test_what_needs_a_restart_are_keys_that_exist():
    """A renamed key would be forgotten otherwise."""
    for key in FIXED:
        table, name = key.split(".")
        assert hasattr(getattr(OLD, table), name), key

"""From the settings to what decides: where providers put roles, callables, and a start that fails early."""

import math

import pytest

from bff.access.assigned import Assigned
from bff.access.configured import build_advisor, build_role_map, load_function
from bff.access.question import Question
from bff.access.roles import RoleMap, RoleReader
from bff.config import ConfigError
from bff.config.assignments import Assignment
from bff.config.settings import ApiSettings, OidcSettings, RolesSettings, Settings


def settings(provider="generic", **roles):
    return Settings(
        public_url="https://app.example.com",
        oidc=OidcSettings("https://id.example.com", "my.spa", provider=provider),
        roles=RolesSettings(**roles),
        api=(ApiSettings("/api", "http://up"), ApiSettings("/api/deep", "http://up")),
    )


@pytest.mark.parametrize(
    ("provider", "added"),
    [
        ("generic", ()),
        ("keycloak", ("resource_access.my.spa.roles",)),
        ("cognito", ("cognito:groups",)),
    ],
)
def test_known_providers_add_where_they_put_roles(provider, added):
    """As long as nobody says where roles are."""
    usual = ("roles", "groups", "realm_access.roles")

    assert usual + added == build_role_map(settings(provider)).paths
    assert ("x.my.spa",) == build_role_map(settings(provider, claims=("x.{client_id}",))).paths


def test_the_route_with_the_longest_path_is_asked():
    """As the proxy matches: on whole segments."""
    advisor = build_advisor(settings())
    answers = [advisor.route_of(path) for path in ("/api/deep/x", "/api/deeper", "/api", "/apix")]

    assert [("/api/deep", "/x"), ("/api", "/deeper"), ("/api", ""), None] == answers
    assert advisor.answer(Question("GET", "/apix")).explanation is None


def test_a_callable_is_found_in_the_working_directory(tmp_path, monkeypatch):
    """Behind everything that is installed."""
    (tmp_path / "rules_of_this_test.py").write_text("decide = 7\ndef allow(facts, principal): ...\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("/nowhere")  # so that the path is put back after the test

    assert "allow" == load_function("rules_of_this_test:allow").__name__
    with pytest.raises(ValueError, match="the policy rules_of_this_test:decide is not callable"):
        load_function("rules_of_this_test:decide")
    with pytest.raises(ValueError, match="cannot be loaded: AttributeError"):
        load_function("rules_of_this_test:nothing")


def test_assignments_that_cannot_be_read_stop_the_start(tmp_path):
    """As in the loader; the file may have gone since."""
    with pytest.raises(ConfigError):
        build_advisor(settings(assignments=str(tmp_path / "none.toml")))


def test_an_assignment_may_be_without_an_end():
    """It is told as such; a role that is not known is not assigned."""
    reader = RoleReader(RoleMap(known=frozenset({"a"})))
    assigned = Assigned(reader, [Assignment("s", "a", -math.inf, math.inf), Assignment("s", "b")])

    assert ["a: assigned without an end"] == [f"{o.role}: {o}" for o in assigned.origins("s", 0.0)]
    assert {"a"} == assigned.roles("s", 0.0)


def test_roles_that_are_not_known_have_no_origin():
    """What does not count is not told."""
    reader = RoleReader(RoleMap(("roles",), known=frozenset({"a"})))

    assert ["a"] == [origin.role for origin in reader.origins({"ID token": {"roles": ["a", "b"]}}, "s")]

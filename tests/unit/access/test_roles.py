"""Roles: the shapes that real providers emit, renaming, implication, constants, limits, and origins."""

import pytest

from bff.access.assigned import Assigned
from bff.access.principals import Principals
from bff.access.roles import RoleMap, RoleOrigin, RoleReader
from bff.config.assignments import Assignment
from bff.oidc.grant import Grant
from bff.oidc.token_set import TokenSet
from bff.session.principal import Principal

TOKENS = TokenSet("t", 0.0, 300.0)

# What the providers' own documentation and installations show, shortened; the tokens are the issuers', not ours.
KEYCLOAK = {
    "exp": 1795514700, "iat": 1795514400, "jti": "onrtac:1", "iss": "https://kc.example/realms/main",
    "aud": ["realm-management", "account"], "sub": "f3a1", "typ": "Bearer", "azp": "spa", "sid": "8c",
    "acr": "1", "realm_access": {"roles": ["default-roles-main", "offline_access", "uma_authorization", "admin"]},
    "resource_access": {"spa": {"roles": ["editor"]}, "my.app": {"roles": ["dotted"]},
                        "account": {"roles": ["manage-account", "view-profile"]}},
    "scope": "openid profile email", "preferred_username": "alice",
}  # fmt: skip
ENTRA = {
    "aud": "6e74172b", "iss": "https://login.microsoftonline.com/9188040d/v2.0", "iat": 1795514400,
    "exp": 1795518300,
    "groups": ["6f0e2d7e-0000-4ad1-8a5c-1c2d3e4f5a6b", "a2c1"], "name": "Alice", "oid": "0000",
    "roles": ["Task.Admin"],
    "sub": "AAA", "tid": "9188040d", "ver": "2.0", "wids": ["b79fbf4d"],
}  # fmt: skip
AUTH0 = {
    "https://app.example.com/roles": ["admin", "Support Agent"], "iss": "https://tenant.eu.auth0.com/",
    "sub": "auth0|5f7", "aud": "spa", "permissions": ["read:orders"],
}  # fmt: skip
OKTA = {"sub": "00u1", "ver": 1, "iss": "https://dev.okta.com/oauth2/default", "groups": ["Everyone", "admins"]}
COGNITO = {
    "sub": "aaaa", "cognito:groups": ["eu-west-1_x_Google", "admin"], "cognito:username": "alice",
    "cognito:roles": ["arn:aws:iam::1:role/x"], "token_use": "id",
}  # fmt: skip
ZITADEL = {"sub": "1", "urn:zitadel:iam:org:project:roles": {"admin": {"2": "x.zitadel.cloud"}, "none": {}}}


def roles(claims, *paths, **more):
    return set(RoleReader(RoleMap(paths, **more)).read({"ID token": claims}, "somebody").roles)


@pytest.mark.parametrize(
    ("claims", "path", "expected"),
    [
        (KEYCLOAK, "realm_access.roles", {"default-roles-main", "offline_access", "uma_authorization", "admin"}),
        (KEYCLOAK, "resource_access.spa.roles", {"editor"}),
        (KEYCLOAK, "resource_access.my.app.roles", {"dotted"}),
        (ENTRA, "roles", {"Task.Admin"}),
        (ENTRA, "groups", {"6f0e2d7e-0000-4ad1-8a5c-1c2d3e4f5a6b", "a2c1"}),
        (AUTH0, "https://app.example.com/roles", {"admin", "Support Agent"}),
        (OKTA, "groups", {"Everyone", "admins"}),
        (COGNITO, "cognito:groups", {"eu-west-1_x_Google", "admin"}),
        (ZITADEL, "urn:zitadel:iam:org:project:roles", {"admin"}),
        ({"roles": "a b"}, "roles", {"a", "b"}),
        ({"roles": "a,b, c"}, "roles", {"a", "b", "c"}),
        ({"a": {"b": {"c": ["x"]}}}, "a.b.c", {"x"}),
        ({"groups": [{"name": "x"}, {"name": "y"}, "z"]}, "groups.name", {"x", "y"}),
        ({"flags": {"admin": True, "root": False, "x": 1, "y": "true"}}, "flags", {"admin"}),
    ],
)
def test_roles_are_found_in_what_providers_send(claims, path, expected):
    """Keycloak, Entra, Auth0, Okta, Cognito, Zitadel, and strings."""
    assert expected == roles(claims, path)


@pytest.mark.parametrize(
    "value",
    [None, True, 1, 1.5, [], {}, "", [1, None, True, ["admin"], {"admin": True}], {"admin": "yes"}, ["x" * 257]],
)
def test_a_claim_of_another_shape_opens_nothing(value):
    """No role comes of it, and nothing is raised (RFC 8725 §3.2: never trust what was not expected)."""
    assert set() == roles({"roles": value}, "roles", "roles.x", "roles.0")


def test_roles_are_renamed_and_imply_others():
    """At any remove, and also for what was renamed."""
    found = roles(
        {"groups": ["kc-admins"]},
        "groups",
        rename={"kc-admins": "admin"},
        implies={"admin": ("editor",), "editor": ("reader",)},
    )

    assert {"admin", "editor", "reader"} == found


def test_a_subject_has_its_constant_roles():
    """Whatever its tokens say, and for that subject alone."""
    reader = RoleReader(RoleMap((), subjects={"alice": ("auditor",)}, implies={"auditor": ("reader",)}))

    assert {"auditor", "reader"} == reader.read({"ID token": {}}, "alice").roles
    assert frozenset() == reader.read({"ID token": {}}, "bob").roles


def test_only_known_roles_count_where_they_are_named():
    """A role that the operator has not heard of is no role."""
    assert {"admin"} == roles({"roles": ["admin", "root"]}, "roles", known=frozenset({"admin", "reader"}))


def principals(events, assignments=(), **more):
    reader = RoleReader(RoleMap(("roles", "groups"), **more))
    assigned = Assigned(reader, assignments)
    return Principals("https://op.test", reader, assigned, lambda name, fields: events.append((name, dict(fields))))


def test_ten_thousand_roles_are_cut_and_told():
    """A limit, and an event that says how many there were."""
    events = []
    claims = {"sub": "alice", "roles": [f"r{number}" for number in range(10_000)]}
    principal = principals(events)(Grant(TOKENS, claims))

    assert {f"r{number}" for number in range(500)} == principal.roles
    assert ("roles_cut", {"subject": "alice", "entries": 10_000, "kept": 500}) in events


def test_groups_that_are_elsewhere_are_told():
    """OIDC Core §5.6.2: Entra sends a reference in place of more than 200 groups."""
    events = []
    claims = {"sub": "alice", "_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "x"}}}
    principals(events)(Grant(TOKENS, claims))

    assert ("roles_elsewhere", {"subject": "alice", "claim": "groups"}) in events


def test_roles_of_both_tokens_count():
    """Those of an access token only when it was validated: others are never in the grant."""
    grant = Grant(TOKENS, {"sub": "alice", "roles": ["a"]}, {"roles": ["b"]})

    assert {"a", "b"} == principals([])(grant).roles


# ── where they come from ─────────────────────────────────────────────────────────────────────────────────────


def test_every_role_has_an_origin():
    """Claim, renaming, implication, subject, assignment: all that the reader does can be told."""
    made = principals(
        [],
        [Assignment("alice", "contractor", ends_at=1795806000.0)],
        rename={"kc-admins": "admin"},
        implies={"admin": ("reader",)},
        subjects={"alice": ("auditor",)},
    )
    grant = Grant(TOKENS, {"sub": "alice", "groups": ["kc-admins"]}, {"roles": ["editor"]})

    assert {
        "admin: renamed from kc-admins in the ID token",
        "reader: implied by admin",
        "editor: claim roles in the access token",
        "auditor: given to the subject alice",
        "contractor: assigned until 2026-11-27T19:00:00+00:00",
    } == {f"{origin.role}: {origin}" for origin in made.origins(grant, 1795514400.0)}


def test_origins_of_a_session_are_told_as_far_as_they_are_known():
    """A list of sessions has roles without claims: what nothing else explains came with the tokens."""
    made = principals([], implies={"admin": ("reader",)}, subjects={"alice": ("auditor",)})
    principal = Principal("https://op.test", "alice", frozenset({"admin", "reader", "auditor"}))

    assert [
        RoleOrigin("admin", "claim", "roles or groups", "tokens"),
        RoleOrigin("reader", "implied", "admin"),
        RoleOrigin("auditor", "subject", "alice"),
    ] == made.origins_of(principal, 0.0)

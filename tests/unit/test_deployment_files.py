"""The files that deploy the product fit the product, and each other. No Docker engine is needed to see that."""

import ast
import json
import re
import secrets
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from bff.config import load_config, load_with_findings
from tests.processes import ROOT

DOCKERFILE = ROOT / "Dockerfile"
BFF_TOML = ROOT / "frontend_example" / "demo" / "docker" / "bff.toml"
PATHS_OF_MAKE = (ROOT / "Makefile", ROOT / "frontend_example" / "demo" / "set_up.py")
SECRETS = {name: secrets.token_urlsafe(32) for name in ("BFF_KEY", "DEMO_CLIENT_SECRET", "KEYCLOAK_ADMIN_PASSWORD")}


@cache
def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, continued lines joined."""
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def arguments(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


@cache
def compose() -> dict[str, Any]:
    """docker-compose.yml with the variables that `make .env` writes filled in."""
    text = re.sub(
        r"\$\{(\w+):\?[^}]*\}", lambda match: SECRETS[match[1]], (ROOT / "docker-compose.yml").read_text()
    )
    document: dict[str, Any] = yaml.safe_load(text)
    return document


@cache
def realm() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / "frontend_example/demo/keycloak/realm.json").read_text())
    return document


def client() -> dict[str, Any]:
    (only,) = realm()["clients"]
    return dict(only)


def settings():
    """bff's settings in the container: the mounted file with compose's environment."""
    return load_config(BFF_TOML, environ=compose()["services"]["bff"]["environment"])


# ── Dockerfile ───────────────────────────────────────────────────────────────────────────────────────────


def copied() -> list[str]:
    """What the Dockerfile takes from the repository."""
    copies = [shlex.split(rest) for rest in arguments("COPY")]
    return [source for words in copies if not words[0].startswith("--from") for source in words[:-1]]


@pytest.mark.parametrize("source", copied())
def test_what_the_image_is_built_from_is_in_the_repository(source):
    """A file that was moved would otherwise be missed at the next build only."""
    listed = subprocess.run(
        ["git", "ls-files", "--", source], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert listed, f"{source} is not there, or not under version control"


@pytest.mark.parametrize("source", copied())
def test_what_is_copied_reaches_the_builder(source):
    """.dockerignore keeps everything out that it does not name."""
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    path = PurePosixPath(source)  # a folder that is kept brings what is below it
    assert any(part.match(pattern) for part in (path, *path.parents) for pattern in kept)


def test_demo_api_is_copied_with_all_that_it_imports():
    """Every module beside api.py that it, or one of those, imports is in the image."""
    demo = ROOT / "frontend_example" / "demo"
    needed, todo = {"api"}, ["api"]
    while todo:
        tree = ast.parse((demo / f"{todo.pop()}.py").read_text())
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        new = {name for name in imported if (demo / f"{name}.py").exists()} - needed
        needed |= new
        todo += new

    assert {f"frontend_example/demo/{name}.py" for name in needed} == {
        source for source in copied() if source.startswith("frontend_example/demo/")
    }


def test_image_is_built_by_the_steps_that_make_runs():
    """npm ci and npm run build for the app; hashes are asked for of every Python package but our own."""
    steps = arguments("RUN")
    make = "\n".join(path.read_text() for path in PATHS_OF_MAKE)
    scripts = json.loads((ROOT / "frontend_example" / "package.json").read_text())["scripts"]

    console, wheel = (
        next(number for number, words in enumerate(instructions()) if part in words[1])
        for part in ("--from=console", " -m pip wheel ")
    )
    assert console < wheel  # which holds what is there when it is built
    assert ["npm ci --no-audit --no-fund", "npm run build"] * 2 == [
        step for step in steps if step.startswith("npm")
    ]
    assert "build" in scripts
    for words in (
        '"ci", "--no-audit", "--no-fund"',
        '"run", "build"',
        '"--require-hashes"',
        "-o requirements.lock",
    ):
        assert words in make
    pip = [step.partition(" -m pip ")[2] for step in steps if " -m pip " in step]
    assert ["install", "wheel", "install"] == [step.split()[0] for step in pip]
    assert pip[0].endswith("--require-hashes -r requirements.lock")
    assert "--no-deps" in pip[1]
    assert pip[2].endswith("--no-deps --no-index --find-links dist bff")


def test_image_runs_the_projects_command_as_nobody_in_particular():
    """No root, no shell between Docker and the server, so that signals arrive; the last stage is bff."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (entry_point,) = [json.loads(rest) for rest in arguments("ENTRYPOINT")]
    command = json.loads(arguments("CMD")[-1])

    assert entry_point[0] in project["scripts"]
    assert ["run", "-c", "/etc/bff/bff.toml"] == command
    assert ["10001:10001"] == arguments("USER")
    assert arguments("FROM")[-1].endswith(" AS bff")
    assert arguments("FROM")[-2].startswith("server AS ")


def test_health_check_asks_for_readiness_where_the_configuration_listens():
    """The URL is that of the management listener, and the program that asks is valid Python without a shell."""
    (check,) = arguments("HEALTHCHECK")
    python, flag, program = json.loads(check.partition(" CMD ")[2])
    compile(program, "HEALTHCHECK", "exec")

    assert ("python", "-c") == (python, flag)
    assert f"http://{settings().server.management_listen}/health/ready" in program


def test_image_takes_a_python_that_the_project_supports():
    """requires-python and the classifiers name it."""
    versions = {match[1] for match in re.finditer(r"python:(3\.\d+)-slim", DOCKERFILE.read_text())}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert 1 == len(versions)
    assert f"Programming Language :: Python :: {versions.pop()}" in project["classifiers"]


# ── docker-compose.yml ───────────────────────────────────────────────────────────────────────────────────


def test_compose_has_every_part_of_the_demo():
    """bff (with the example app inside), Valkey, Keycloak and the demo API; targets are stages that exist."""
    stages = {rest.split(" AS ")[1] for rest in arguments("FROM")}
    targets = {service["build"]["target"] for service in compose()["services"].values() if "build" in service}

    assert {"bff", "valkey", "keycloak", "demo-api"} == set(compose()["services"])
    assert {"bff", "demo-api"} == targets
    assert targets <= stages


def test_configuration_loads_with_composes_environment_without_a_warning():
    """What is mounted at the path that the image reads, with the variables that compose sets."""
    service = compose()["services"]["bff"]
    _, findings = load_with_findings(BFF_TOML, environ=service["environment"])

    assert [] == findings
    assert [f"./{BFF_TOML.relative_to(ROOT)}:{json.loads(arguments('CMD')[-1])[-1]}:ro"] == service["volumes"]


def test_everything_that_compose_mounts_exists():
    """Docker would make an empty directory in place of a file that is missing."""
    sources = [
        volume.split(":")[0] for service in compose()["services"].values() for volume in service.get("volumes", [])
    ]

    assert [] == [source for source in sources if not (ROOT / source).is_file()]


def test_nothing_is_published_beyond_this_machine():
    """Passwords are the users' names here, and the connection is plain http."""
    ports = [port for service in compose()["services"].values() for port in service.get("ports", [])]

    assert ["127.0.0.1:8080:8080", "127.0.0.1:8180:8180"] == ports


@pytest.mark.parametrize("name", ["bff", "demo-api", "valkey"])
def test_container_cannot_write_or_gain_rights(name):
    """Read-only root, no capability, no new privileges."""
    service = compose()["services"][name]

    assert (True, ["ALL"], ["no-new-privileges:true"]) == (
        service["read_only"],
        service["cap_drop"],
        service["security_opt"],
    )


def test_issuer_has_one_name_for_everybody():
    """OIDC Discovery §4.3: bff and API compare the issuer to the letter with Keycloak's tokens."""
    services = compose()["services"]
    keycloak = services["keycloak"]["environment"]
    issuer = f"{keycloak['KC_HOSTNAME']}/realms/{realm()['realm']}"

    assert (issuer, issuer) == (settings().oidc.issuer, services["demo-api"]["environment"]["DEMO_API_ISSUER"])
    assert keycloak["KC_HOSTNAME"].endswith(f":{keycloak['KC_HTTP_PORT']}")
    assert ["service:bff"] * 2 == [services[name]["network_mode"] for name in ("keycloak", "demo-api")]


def test_demo_api_is_where_the_route_leads():
    """The upstream is the API's listener, in the namespace that both share."""
    listen = compose()["services"]["demo-api"]["environment"]["DEMO_API_LISTEN"]

    assert [f"http://{listen}"] == [route.upstream for route in settings().api]


def test_no_secret_is_committed():
    """Secrets are variables that `make .env` makes, and .env is out of version control."""
    made = subprocess.run(
        ["make", "--no-print-directory", "-n", "-B", ".env", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    asked_for = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))

    assert set(SECRETS) == asked_for
    assert [] == [name for name in asked_for if f'"{name}"' not in made]
    assert "${DEMO_CLIENT_SECRET}" == client()["secret"]
    ignored = subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=ROOT, check=False)
    assert 0 == ignored.returncode


def test_secrets_that_make_writes_are_ones_that_bff_takes(tmp_path):
    """The recipe itself, in another folder: a key of the right size, readable by its owner alone."""
    subprocess.run(
        ["make", "-f", ROOT / "Makefile", ".env", f"PYTHON={sys.executable}"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    path = tmp_path / ".env"
    written = dict(line.split("=", 1) for line in path.read_text().splitlines())

    assert set(SECRETS) == set(written)
    assert 0o600 == path.stat().st_mode & 0o777
    load_config(BFF_TOML, environ=written)


# ── Keycloak's realm ─────────────────────────────────────────────────────────────────────────────────────


def test_realms_client_is_the_one_that_bff_says_it_is():
    """Client id, redirect URI, post-logout and back-channel URI follow from public_url."""
    ours, theirs = settings(), client()

    assert (ours.oidc.client_id, [f"{ours.public_url}/bff/callback"]) == (
        theirs["clientId"],
        theirs["redirectUris"],
    )
    assert f"{ours.public_url}/" == theirs["attributes"]["post.logout.redirect.uris"]
    assert f"{ours.public_url}/bff/backchannel-logout" == theirs["attributes"]["backchannel.logout.url"]
    assert "keycloak" == ours.oidc.provider


def test_realms_client_is_confidential_and_allows_the_code_flow_alone():
    """RFC 9700 §2.1.1, §2.1.2 and §2.4: PKCE, no implicit grant, no password grant."""
    theirs = client()

    assert "S256" == theirs["attributes"]["pkce.code.challenge.method"]
    assert {"publicClient": False, "standardFlowEnabled": True} == {
        key: theirs[key] for key in ("publicClient", "standardFlowEnabled")
    }
    assert [False] * 3 == [
        theirs[key] for key in ("implicitFlowEnabled", "directAccessGrantsEnabled", "serviceAccountsEnabled")
    ]
    assert (True, 0) == (realm()["revokeRefreshToken"], realm()["refreshTokenMaxReuse"])


def test_realms_tokens_are_what_bff_and_the_api_look_for():
    """The audience, the roles' claim in both tokens, the type of RFC 9068 §2.1, a life within the limits."""
    mappers = {mapper["protocolMapper"]: mapper["config"] for mapper in client()["protocolMappers"]}
    audience = mappers["oidc-audience-mapper"]["included.custom.audience"]
    roles = mappers["oidc-usermodel-realm-role-mapper"]
    api = compose()["services"]["demo-api"]["environment"]

    assert ((audience,), audience) == (settings().tokens.access_token_audience, api["DEMO_API_AUDIENCE"])
    assert (roles["claim.name"],) == settings().roles.claims
    assert ["true"] * 3 == [roles[key] for key in ("id.token.claim", "access.token.claim", "multivalued")]
    assert "true" == client()["attributes"]["access.token.header.type.rfc9068"]
    assert realm()["accessTokenLifespan"] <= settings().tokens.max_access_token_lifetime
    assert set(settings().oidc.scopes) - {"openid"} <= set(client()["defaultClientScopes"])


def test_realms_users_have_the_roles_that_the_routes_name():
    """alice is admin and reader, bob is reader, and no rule names a role that nobody can have."""
    named = {role for route in settings().api for rule in route.allow for role in rule.roles}

    assert {"alice": {"admin", "reader"}, "bob": {"reader"}} == {
        user["username"]: set(user["realmRoles"]) for user in realm()["users"]
    }
    assert named == {role["name"] for role in realm()["roles"]["realm"]}

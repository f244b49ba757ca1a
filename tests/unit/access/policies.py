"""Policies and principals as configurations and tokens would give them, in one line."""

import tomllib

from bff.access.configured import build_rule
from bff.access.facts import RequestFacts
from bff.access.policy import Policy, build_policy
from bff.config.kinds import Kind
from bff.config.reading import Reading
from bff.config.secret_sources import SecretSources
from bff.config.settings import AllowSettings
from bff.config.sources import Sources
from bff.session.principal import Principal

NOW = 1_795_514_400.0  # Tuesday, 2026-11-24T10:00:00Z


def entries(toml: str) -> tuple[AllowSettings, ...]:
    """Read the entries of `allow` as the loader does; every one of them must be in order."""
    from pathlib import Path

    reading = Reading(Sources("test", {}, {}), SecretSources({}, Path()))
    found = reading._value(Kind(tuple, entry=Kind(AllowSettings)), tomllib.loads(f"allow = [{toml}]")["allow"], ())
    assert [] == reading.findings
    return found


def policy(toml: str, **more) -> Policy:
    """Compile these entries."""
    return build_policy([build_rule(position, entry) for position, entry in enumerate(entries(toml))], **more)


def facts(request: str = "GET", **more) -> RequestFacts:
    """`"GET /path"`, now, from nowhere."""
    method, _, path = request.partition(" ")
    return RequestFacts(**{"method": method, "path": path, "now": NOW, **more})


def person(*roles: str, sub: str = "alice", **claims) -> Principal:
    """Somebody with these roles and claims."""
    return Principal("https://op.test", sub, frozenset(roles), {"sub": sub, **claims})

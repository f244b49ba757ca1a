"""Loading: the file, the environment and the command line become settings, or every mistake at once."""

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from bff.config.access_rules import broken_access_rules
from bff.config.admin_rules import broken_admin_rules
from bff.config.assignments import check_assignments
from bff.config.findings import ConfigError, Finding, Severity, has_errors
from bff.config.gateway_rules import broken_gateway_rules
from bff.config.reading import Reading
from bff.config.request_rules import broken_request_rules
from bff.config.rules import Problem, broken_rules
from bff.config.secret_sources import SecretSources
from bff.config.session_rules import broken_session_rules
from bff.config.settings import Secret, Settings
from bff.config.sources import Sources, overrides_in
from bff.config.toml_lines import find_lines
from bff.config.tracing_rules import broken_tracing_rules
from bff.config.upstream_rules import broken_upstream_rules
from bff.config.values import BadValue

DEFAULT_FILE = "bff.toml"
VARIABLE = "BFF_CONFIG"


def load_config(
    path: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    options: Mapping[str, tuple[str, str]] | None = None,
) -> Settings:
    """Load, check and freeze the configuration.

    Args:
        path: the TOML file; None for the one that `BFF_CONFIG` names, else `bff.toml` in the working directory.
        environ: the environment, for overrides and secrets; None for the process's own.
        options: overrides that win over the environment: dotted key to (name of the option, text).

    Raises:
        ConfigError: the configuration cannot be used; it holds every mistake.
    """
    settings, _ = load_with_findings(path, environ=environ, options=options)
    return settings


def load_with_findings(
    path: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    options: Mapping[str, tuple[str, str]] | None = None,
    needs: Collection[str] | None = None,
) -> tuple[Settings, list[Finding]]:
    """Do what `load_config` does, and return the warnings as well.

    Args:
        path: as for `load_config`.
        environ: as for `load_config`.
        options: as for `load_config`.
        needs: the tables whose secrets must be there, for commands that serve nobody; None for all. Other secrets
            that are absent are empty.

    Raises:
        ConfigError: the configuration cannot be used; it holds every mistake.
    """
    environ = os.environ if environ is None else environ
    file = find_config_file(path, environ)
    sources, findings = _lay_out(file, _read_file(file), environ, options or {})
    directory = file.parent.absolute()
    reading = Reading(sources, SecretSources(environ, directory), findings, needs=needs)
    settings = reading.read()
    # Asked first and reported then: one broken rule does not hide another one about the same key.
    broken_ones = [
        *broken_rules(settings),
        *broken_access_rules(settings),
        *broken_request_rules(settings),
        *broken_upstream_rules(settings),
    ]
    broken_ones += [*broken_admin_rules(settings), *broken_gateway_rules(settings), *broken_session_rules(settings)]
    broken_ones += broken_tracing_rules(settings)
    for broken in [rule for rule in broken_ones if not any(map(reading.is_broken, rule.keys))]:
        reading.report(broken.keys[0], _with_place(broken, sources), broken.severity)
    if settings.roles.assignments is not None and not reading.is_broken(("roles", "assignments")):
        findings += check_assignments(directory / settings.roles.assignments, settings.roles.known)
    findings = sorted(reading.findings, key=lambda found: (found.file != str(file), found.file, found.line or 0))
    if has_errors(findings):
        raise ConfigError(findings)
    return anchor(settings, directory), findings


def find_config_file(path: str | Path | None, environ: Mapping[str, str] | None = None) -> Path:
    """The file that `load_config` would read."""
    environ = os.environ if environ is None else environ
    return Path(path or environ.get(VARIABLE) or DEFAULT_FILE)


def anchor(settings: Settings, directory: Path) -> Settings:
    """Make relative paths absolute: they start from the directory of the configuration file."""
    store = settings.session.store.reveal()
    if (relative := store.removeprefix("sqlite:///")) != store:
        store = f"sqlite:///{directory / relative}"
    sink = settings.audit.sink
    if (relative := sink.removeprefix("file:")) != sink:
        sink = f"file:{directory / relative}"
    spa = settings.spa
    if spa is not None and spa.directory is not None:
        spa = replace(spa, directory=str(directory / spa.directory))
    roles = settings.roles
    if roles.assignments is not None:
        roles = replace(roles, assignments=str(directory / roles.assignments))
    return replace(
        settings,
        roles=roles,
        session=replace(settings.session, store=Secret(store)),
        audit=replace(settings.audit, sink=sink),
        spa=spa,
    )


def _with_place(broken: Problem, sources: Sources) -> BadValue:
    """The problem, which also says where the other place is that the reader must look at."""
    if broken.other is None:
        return broken.problem
    file, line = sources.place(broken.other)
    problem = broken.problem
    return BadValue(problem.message, problem.expected, f"the other one is at {file}:{line}; {problem.hint}")


def _read_file(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        hint = f"`bff init` writes one; -c or {VARIABLE} names another"
        raise _unusable(file, None, "the file does not exist", hint) from None
    except UnicodeDecodeError as error:
        raise _unusable(file, None, f"the file is not UTF-8 text (byte {error.start})") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _unusable(file, None, f"the file cannot be read: {reason.lower()}") from None


def _lay_out(
    file: Path, text: str, environ: Mapping[str, str], options: Mapping[str, tuple[str, str]]
) -> tuple[Sources, list[Finding]]:
    """The file's tree with the overrides in it."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, line = _syntax_error(str(error), text)
        raise _unusable(file, line, f"this is not TOML: {message}") from None
    except RecursionError:
        raise _unusable(file, None, "arrays or tables are nested too deeply") from None
    sources = Sources(str(file), tree, find_lines(text))
    overrides = overrides_in(environ)
    overrides += [(name, tuple(key.split(".")), value) for key, (name, value) in options.items()]
    return sources, [
        finding for name, path, value in overrides if (finding := sources.override(name, path, value)) is not None
    ]


def _syntax_error(message: str, text: str) -> tuple[str, int]:
    """Take the line out of `tomllib`'s message, which ends in "(at line 3, column 5)" or "(at end of document)"."""
    what, _, where = message.rpartition(" (at ")
    line = re.match(r"line (\d+)", where)
    return what, int(line[1]) if line else text.count("\n") + 1


def _unusable(file: Path, line: int | None, message: str, hint: str = "") -> ConfigError:
    return ConfigError([Finding(Severity.ERROR, str(file), line, "", message, hint=hint)])

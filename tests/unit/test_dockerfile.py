"""The Dockerfile and docker-compose.yml keep the rules that their makers and linters have. No Docker is needed."""

import json
import re
import shlex
from importlib.resources import files

import jsonschema
import pytest
import yaml

from tests.processes import ROOT
from tests.unit.test_deployment_files import arguments, compose, instructions, settings

KNOWN = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "CMD", "ENTRYPOINT", "HEALTHCHECK"}
# What a stage leaves for others, made by its last step.
LEFT = {"app": {"/src/dist"}, "console": {"/src/dist"}, "packages": {"/opt/bff"}}


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage, by its name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, rest in instructions():
        if name == "FROM":
            stage = found[rest.split(" AS ")[1]] = []
        stage.append((name, rest))
    return found


def test_only_instructions_that_are_needed_are_used():
    """No ADD, which fetches and unpacks what nobody sees; no MAINTAINER, no SHELL."""
    assert set() == {name for name, _ in instructions()} - KNOWN


def test_every_base_is_a_stage_or_an_image_with_a_version():
    """Neither `latest`, nor nothing, which is the same."""
    bases = [rest.split(" AS ")[0] for rest in arguments("FROM")]

    for number, base in enumerate(bases):
        if base in list(stages())[:number]:
            continue
        assert re.fullmatch(r"[a-z]+:\d+(?:\.\d+)*-slim", base), base


def test_what_a_stage_takes_from_another_is_made_there():
    """Of a stage that comes before, and a path that it leaves."""
    names = list(stages())
    for number, (name, steps) in enumerate(stages().items()):
        for rest in (rest for instruction, rest in steps if instruction == "COPY" and rest.startswith("--from=")):
            source, path, _ = shlex.split(rest)
            stage = source.removeprefix("--from=")
            assert stage in names[:number], name
            assert path in LEFT[stage]


def test_places_are_absolute_and_files_go_where_they_are_meant():
    """A COPY of several files ends in a slash, or Docker would make one file of the last."""
    assert [] == [rest for rest in arguments("WORKDIR") if not rest.startswith("/")]
    for rest in arguments("COPY"):
        words = [word for word in shlex.split(rest) if not word.startswith("--")]
        assert len(words) == 2 or words[-1].endswith("/"), rest


def test_no_step_needs_a_shell_trick_or_fetches_anything_unchecked():
    """Packages come with hashes, from lock files; nothing is piped into a shell, and no cache stays in a layer."""
    for step in arguments("RUN"):
        assert not re.search(r"curl|wget|sudo|apt|\||;|chmod|latest", step), step
        if " pip install " in step:
            assert "--no-cache-dir" in step
            assert "--require-hashes" in step or "--no-index" in step


def test_commands_are_lists_so_that_signals_arrive():
    """With a shell in between, SIGTERM would end the shell and kill the server ten seconds later."""
    for name in ("CMD", "ENTRYPOINT"):
        for rest in arguments(name):
            assert all(isinstance(word, str) for word in json.loads(rest))


@pytest.mark.parametrize("stage", ["bff", "demo-api"])
def test_what_runs_is_nobody_and_no_later_step_changes_that(stage):
    """Numbers, which `runAsNonRoot` can judge; no secret in the environment of the image."""
    steps = stages()["server"] + stages()[stage]
    users = [rest for name, rest in steps if name == "USER"]

    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", users[-1])
    assert not re.search(r"SECRET|KEY|TOKEN|PASSWORD", " ".join(rest for name, rest in steps if name == "ENV"))


def test_ports_that_are_exposed_are_listened_on():
    """The public listener of bff and that of the demo API; never the management listener."""
    exposed = {stage: [rest for name, rest in steps if name == "EXPOSE"] for stage, steps in stages().items()}
    api = compose()["services"]["demo-api"]["environment"]["DEMO_API_LISTEN"]

    assert [settings().server.listen.rpartition(":")[2]] == exposed["bff"]
    assert [api.rpartition(":")[2]] == exposed["demo-api"]


def test_compose_file_is_valid_by_the_compose_specification():
    """By its own JSON schema: every name and every form of a value."""
    schema = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(document)

    document["services"]["bff"]["restrat"] = "always"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validators.validator_for(schema)(schema).validate(document)


def test_services_that_are_waited_for_can_tell_that_they_are_well():
    """`condition: service_healthy` waits for ever for a service without a health check."""
    services = compose()["services"]
    awaited = {
        name
        for service in services.values()
        for name, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_healthy"
    }

    assert {"valkey"} == awaited
    assert [] == [name for name in awaited if "healthcheck" not in services[name]]
    assert [] == [
        name for name, service in services.items() if "image" in service and not re.search(r":\d", service["image"])
    ]

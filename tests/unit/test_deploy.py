"""The Kubernetes manifests fit the schemas, the image, the configuration that they bring, and each other."""

import re
import secrets
import tomllib
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from bff.config import load_with_findings
from tests.processes import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
MANIFESTS = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
SPARE = 5  # seconds between the end of the last request and the kill
ME = {"app.kubernetes.io/name": "bff", "app.kubernetes.io/component": "server"}


@cache
def objects() -> dict[str, dict[str, Any]]:
    """Every object by kind and name."""
    found = [document for path in MANIFESTS for document in yaml.safe_load_all(path.read_text())]
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in found}


@cache
def kustomization() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    return document


def pod() -> dict[str, Any]:
    return dict(objects()["Deployment/bff"]["spec"]["template"]["spec"])


def container() -> dict[str, Any]:
    (only,) = pod()["containers"]
    return dict(only)


def port(name: str) -> int:
    """The number of a named port of the container."""
    (number,) = [each["containerPort"] for each in container()["ports"] if each["name"] == name]
    return int(number)


def secret_folder() -> str:
    (path,) = [mount["mountPath"] for mount in container()["volumeMounts"] if mount["name"] == "secrets"]
    return str(path)


@pytest.fixture
def loaded(tmp_path):
    """The settings of the ConfigMap and what is to be said about them, with a Secret as `kubectl` would make it."""
    made = {
        "bff.keys": secrets.token_urlsafe(32),
        "client-secret": "a secret of the client's",
        "store-url": "rediss://:a-password@redis.redis.svc:6379/0",
    }
    for name, text in made.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o400)
    file = tmp_path / "bff.toml"
    file.write_text((FOLDER / "bff.toml").read_text().replace(secret_folder(), str(tmp_path)))
    return load_with_findings(file, environ={})


# ── schemas ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", ["1.32", "1.37"])
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_manifest_is_what_kubernetes_knows(path, version):
    """Every field is one of the schema's, and of its type; in an older release as in a new one."""
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, version, strict=True)


def test_a_field_that_kubernetes_does_not_know_is_found():
    """The check above can fail."""
    wrong = {**objects()["Service/bff"], "spec": {"selectors": ME}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


def test_kustomization_lists_exactly_what_is_there():
    """A manifest that is not listed would never be applied."""
    (config,) = kustomization()["configMapGenerator"]
    listed = [*kustomization()["resources"], *config["files"], "kustomization.yaml"]

    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(listed)
    assert ("kustomize.config.k8s.io/v1beta1", "Kustomization") == (
        kustomization()["apiVersion"],
        kustomization()["kind"],
    )


def test_labels_are_not_put_into_selectors():
    """kustomize would put ours into the selector of the cluster's name servers as well."""
    assert [False] == [each["includeSelectors"] for each in kustomization()["labels"]]


def test_image_is_this_version():
    """The tag is the project's version. The name stays what it is, for an overlay has to name it."""
    (image,) = kustomization()["images"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert (container()["image"], project["version"]) == (image["name"], image["newTag"])
    assert "newName" not in image


def test_no_secret_is_committed():
    """The Secret is made where its content is known; nothing is put into the environment."""
    assert [] == [name for name in objects() if name.startswith("Secret/")]
    assert "env" not in container()
    assert "envFrom" not in container()


# ── the pod ──────────────────────────────────────────────────────────────────────────────────────────────


def test_pod_can_write_nothing_and_become_nobody_else():
    """Kubernetes' Pod Security Standard "restricted", enforced by the namespace, and a read-only root."""
    ours = container()["securityContext"]
    uid, _, gid = re.findall(r"^USER (\d+)(:)(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0]
    namespace = objects()["Namespace/bff"]["metadata"]["labels"]

    assert {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "privileged": False,
        "capabilities": {"drop": ["ALL"]},
    } == ours
    assert {
        "runAsNonRoot": True,
        "runAsUser": int(uid),
        "runAsGroup": int(gid),
        "fsGroup": int(gid),
        "seccompProfile": {"type": "RuntimeDefault"},
    } == pod()["securityContext"]
    assert "restricted" == namespace["pod-security.kubernetes.io/enforce"]


def test_pod_has_no_token_for_the_cluster():
    """Neither by its account nor by itself; and no variables of Kubernetes' that look like ours."""
    account = objects()[f"ServiceAccount/{pod()['serviceAccountName']}"]

    assert [False] * 3 == [
        account["automountServiceAccountToken"],
        pod()["automountServiceAccountToken"],
        pod()["enableServiceLinks"],
    ]


def test_only_tmp_can_be_written():
    """Configuration and secrets are mounted to be read, as whole folders, so that a new key arrives."""
    mounts = {mount["mountPath"]: mount for mount in container()["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}

    assert ["/tmp"] == [path for path, mount in mounts.items() if not mount.get("readOnly")]
    assert "emptyDir" in volumes[mounts["/tmp"]["name"]]
    assert [] == [path for path, mount in mounts.items() if "subPath" in mount]
    assert {mount["name"] for mount in mounts.values()} == set(volumes)


def test_probes_ask_the_management_listener(loaded):
    """Alive is not ready: a store that is away takes the pod out of the service and does not restart it."""
    settings, _ = loaded
    asked = {
        name: (container()[name]["httpGet"]["path"], port(container()[name]["httpGet"]["port"]))
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
    }

    assert settings.server.management_listen.endswith(f":{port('management')}")
    assert {
        "startupProbe": ("/health/startup", port("management")),
        "livenessProbe": ("/health/live", port("management")),
        "readinessProbe": ("/health/ready", port("management")),
    } == asked
    assert container()["readinessProbe"]["timeoutSeconds"] > settings.session.store_timeout


def test_pod_has_the_time_to_end_what_is_under_way(loaded):
    """The wait for proxies, then server.shutdown_timeout, then something to spare."""
    settings, _ = loaded
    program, seconds = container()["lifecycle"]["preStop"]["exec"]["command"]

    assert "sleep" == program
    assert pod()["terminationGracePeriodSeconds"] >= int(seconds) + settings.server.shutdown_timeout + SPARE


# ── who reaches whom ─────────────────────────────────────────────────────────────────────────────────────


def test_everything_selects_the_pods():
    """One pair of labels: Deployment, both services, budget, policy and spread mean the same pods."""
    deployment = objects()["Deployment/bff"]["spec"]
    autoscaler = objects()["HorizontalPodAutoscaler/bff"]["spec"]

    assert [ME] * 8 == [
        deployment["template"]["metadata"]["labels"],
        deployment["selector"]["matchLabels"],
        objects()["Service/bff"]["spec"]["selector"],
        objects()["Service/bff-management"]["spec"]["selector"],
        objects()["PodDisruptionBudget/bff"]["spec"]["selector"]["matchLabels"],
        objects()["NetworkPolicy/bff"]["spec"]["podSelector"]["matchLabels"],
        *[each["labelSelector"]["matchLabels"] for each in pod()["topologySpreadConstraints"]],
    ]
    assert "replicas" not in deployment  # or each `apply` would undo the autoscaler
    assert ("Deployment", "bff") == (autoscaler["scaleTargetRef"]["kind"], autoscaler["scaleTargetRef"]["name"])
    assert "cpu" in container()["resources"]["requests"]  # of which its percentages are
    assert autoscaler["minReplicas"] > objects()["PodDisruptionBudget/bff"]["spec"]["maxUnavailable"]


def test_public_service_leads_to_the_public_listener_alone(loaded):
    """And the one for operators to the management listener; neither is published outside the cluster."""
    settings, _ = loaded
    targets = {
        name: [port(each["targetPort"]) for each in objects()[f"Service/{name}"]["spec"]["ports"]]
        for name in ("bff", "bff-management")
    }

    assert {"bff": [port("http")], "bff-management": [port("management")]} == targets
    assert settings.server.listen == f"0.0.0.0:{port('http')}"
    assert ["ClusterIP"] * 2 == [
        each["spec"]["type"] for name, each in objects().items() if name.startswith("Service/")
    ]


def test_network_policy_lets_through_what_the_configuration_needs(loaded):
    """In: the public port from the ingress. Out: name servers, issuer, APIs, store. Nothing without a peer."""
    settings, _ = loaded
    policy = objects()["NetworkPolicy/bff"]["spec"]
    out = {(each["port"], each["protocol"]) for rule in policy["egress"] for each in rule["ports"]}
    upstreams = [urlsplit(route.upstream) for route in settings.api]
    store = urlsplit(settings.session.store.reveal())

    assert ["Ingress", "Egress"] == policy["policyTypes"]
    assert [["http"], ["management"]] == [[each["port"] for each in rule["ports"]] for rule in policy["ingress"]]
    assert [] == [rule for rule in policy["ingress"] if not rule["from"]]
    assert [] == [rule for rule in policy["egress"] if not rule["to"]]
    assert {
        (53, "UDP"),
        (53, "TCP"),
        (443, "TCP"),
        (store.port, "TCP"),
        *((each.port, "TCP") for each in upstreams),
    } == out


# ── the configuration ────────────────────────────────────────────────────────────────────────────────────


def test_configuration_loads_without_a_warning(loaded):
    """With the Secret's files where the pod has them."""
    _, findings = loaded

    assert [] == findings


def test_configuration_is_mounted_where_the_image_reads_it():
    """The generated ConfigMap's name, and the path of the image's command."""
    (generated,) = kustomization()["configMapGenerator"]
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}

    assert generated["name"] == volumes["config"]["configMap"]["name"]
    assert f'"{mounts["config"]}/{generated["files"][0]}"' in (ROOT / "Dockerfile").read_text()


def test_every_secret_that_the_configuration_names_is_mounted():
    """And no other."""
    (items,) = [volume["secret"]["items"] for volume in pod()["volumes"] if "secret" in volume]
    named = re.findall(r'file = "([^"]+)"', (FOLDER / "bff.toml").read_text())

    assert sorted(f"{secret_folder()}/{item['path']}" for item in items) == sorted(named)


def test_page_is_where_the_image_has_it(loaded):
    """The folder that the Dockerfile copies the app to."""
    settings, _ = loaded

    assert f"COPY --from=app /src/dist {settings.spa.directory}\n" in (ROOT / "Dockerfile").read_text()


def test_pods_share_what_they_must(loaded):
    """A store that several pods reach, and lines of the audit log where the cluster collects them."""
    settings, _ = loaded

    assert settings.session.store.reveal().startswith("rediss://")
    assert "stdout" == settings.audit.sink
    assert [True] == [each.is_private for each in settings.server.trusted_proxies]  # nobody out there is believed

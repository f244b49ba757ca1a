"""nginx and Caddy with the configurations of deploy/, on ports of the test's and with a certificate for a day."""

import os
import shutil
import socket
import ssl
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.forging import self_signed_certificate
from tests.processes import ROOT, ServerFailed, ServerProcess, free_port
from tests.servers import Server

HOST = "app.example.com"  # as the configurations have it
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
    """A proxy in front of a bff that listens on a Unix socket.

    Attributes:
        port: where it speaks TLS, on 127.0.0.1.
        plain_port: where it speaks plain HTTP.
        certificate: what it shows, for HOST; it vouches for itself.
    """

    def __init__(self, bff_socket: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="proxy-"))
        self.port, self.plain_port = free_port(), free_port()
        self.certificate, self._key = self_signed_certificate(self.folder, HOST)
        self._command = self._prepare(bff_socket)
        self.start()

    def _prepare(self, bff_socket: Path) -> Sequence[str]:
        """Writes what it reads; returns the command that starts it."""
        raise NotImplementedError

    def start(self) -> None:
        self.process = ServerProcess(self._command)
        self.process.wait_for_port(self.port)

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.folder, ignore_errors=True)


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
    trust = ssl.create_default_context(cafile=str(proxy.certificate))
    deadline = time.monotonic() + 30
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

"""nginx, Caddy, Traefik and Envoy in gateway mode, with the configurations of deploy/, before real upstreams."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from frontend_example.demo.set_up import ENVOY
from tests.deployed_proxies import (
    HOST,
    NGINX_MAIN,
    DeployedProxy,
    adapted,
    installed,
    program,
    traefik,
    wait_for_name,
)
from tests.processes import ROOT, ServerProcess

DEPLOY = ROOT / "deploy"


@dataclass(frozen=True)
class Places:
    """Where everything is that a gateway leads to."""

    bff_socket: Path | None  # or
    bff_port: int
    orders: int
    live: int
    secret: str


class Gateway(DeployedProxy):
    """A gateway that asks bff.

    Attributes:
        kind: what `gateway.kind` says of it.
        over_tcp: it cannot reach bff by a socket.
    """

    kind: str
    over_tcp = False

    def __init__(self, places: Places) -> None:
        self._places = places
        super().__init__(places.bff_socket or Path())

    def start(self) -> None:
        self.process = ServerProcess(self._command, env={"BFF_GATEWAY_SECRET": self._places.secret})
        self.process.wait_for_port(self.port)
        wait_for_name(self)

    def _shared(self) -> dict[str, str]:
        return {
            "/run/bff/bff.sock": str(self._places.bff_socket),
            "10.0.0.20:9001": f"127.0.0.1:{self._places.orders}",
            "10.0.0.21:9002": f"127.0.0.1:{self._places.live}",
        }

    def _tls(self) -> dict[str, str]:
        return {"/etc/ssl/bff/fullchain.pem": str(self.certificate), "/etc/ssl/bff/privkey.pem": str(self._key)}


class NginxGateway(Gateway):
    """deploy/nginx/gateway.conf and what it includes."""

    kind = "nginx"

    def _prepare(self, bff_socket: Path) -> Sequence[str]:
        secret, each_api = self.folder / "secret.conf", self.folder / "api.conf"
        secret.write_text(f'proxy_set_header X-BFF-Gateway "{self._places.secret}";\n')
        each_api.write_text((DEPLOY / "nginx" / "gateway-api.conf").read_text())
        text = adapted(
            DEPLOY / "nginx" / "gateway.conf",
            {
                **self._shared(),
                **self._tls(),
                "include                    /etc/nginx/bff-secret.conf;": f"include {secret};",
                "/etc/nginx/bff-api.conf": str(each_api),
                "listen 443 ": f"listen 127.0.0.1:{self.port} ",
                "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            },
        )
        (self.folder / "bff.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""
        main = self.folder / "nginx.conf"
        main.write_text(NGINX_MAIN.format(folder=self.folder, user=user))
        return [program("nginx", "nginx-light"), "-p", str(self.folder), "-e", "stderr", "-c", str(main)]


class CaddyGateway(Gateway):
    """deploy/caddy/gateway.Caddyfile, which asks nobody for a certificate here."""

    kind = "caddy"

    def _prepare(self, bff_socket: Path) -> Sequence[str]:
        ports = f"\thttp_port {self.plain_port}\n\thttps_port {self.port}\n"
        text = adapted(
            DEPLOY / "caddy" / "gateway.Caddyfile",
            {
                **self._shared(),
                "\n{\n": f"\n{{\n\tadmin off\n\tskip_install_trust\n\tdefault_bind 127.0.0.1\n{ports}",
                f"\n{HOST} {{\n": f"\n{HOST} {{\n\ttls {self.certificate} {self._key}\n",
            },
        )
        file = self.folder / "Caddyfile"
        file.write_text(text)
        return [program("caddy", "caddy"), "run", "--adapter", "caddyfile", "--config", str(file)]


class TraefikGateway(Gateway):
    """deploy/traefik/gateway.yml, with the entry point that its head asks for."""

    kind = "traefik"
    over_tcp = True

    def _prepare(self, bff_socket: Path) -> Sequence[str]:
        shared = self._shared()
        del shared["/run/bff/bff.sock"]
        changes = {**shared, **self._tls(), "127.0.0.1:8080": f"127.0.0.1:{self._places.bff_port}"}
        return traefik(self.folder, DEPLOY / "traefik" / "gateway.yml", changes, websecure=self.port)


class EnvoyGateway(Gateway):
    """deploy/envoy/gateway.yaml."""

    kind = "envoy"

    def _prepare(self, bff_socket: Path) -> Sequence[str]:
        text = adapted(
            DEPLOY / "envoy" / "gateway.yaml",
            {
                **self._tls(),
                "/run/bff/bff.sock": str(bff_socket),
                "address: 10.0.0.20, port_value: 9001": f"address: 127.0.0.1, port_value: {self._places.orders}",
                "address: 10.0.0.21, port_value: 9002": f"address: 127.0.0.1, port_value: {self._places.live}",
                "0.0.0.0, port_value: 443 ": f"127.0.0.1, port_value: {self.port} ",
                "0.0.0.0, port_value: 80 ": f"127.0.0.1, port_value: {self.plain_port} ",
            },
        )
        file = self.folder / "envoy.yaml"
        file.write_text(text)
        alone = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]
        return [installed(ENVOY), "-c", str(file), *alone]

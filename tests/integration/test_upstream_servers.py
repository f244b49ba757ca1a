"""The product in front of servers of several technologies, as its users configure them."""

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace

import httpx
import pytest

from tests.processes import ServerFailed, ServerProcess, reserve_port
from tests.product import Bff, start_product
from tests.servers import Server, node_command
from tests.world import eventually

pytestmark = pytest.mark.integration

NOBODY = SimpleNamespace(url="http://127.0.0.1:9", client_id="app", client_secret="x" * 32)
_NODE = """
const http = require("http");
http.createServer((request, response) => {
  if (request.url.startsWith("/v1/broken")) {
    response.writeHead(200, { "Content-Length": 10 });
    response.write("half");
    setTimeout(() => response.destroy(), 50);
    return;
  }
  let size = 0;
  request.on("data", (part) => { size += part.length; });
  request.on("end", () => {
    response.setHeader("X-From", "node");
    response.end(JSON.stringify({ from: "node", method: request.method, url: request.url, size }));
  });
}).listen(Number(process.argv[1]), "127.0.0.1");
"""
_PYTHON = """
import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        size = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(size)
        body = json.dumps({"from": "python", "method": self.command, "url": self.path, "size": size}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
    do_GET = do_HEAD = do_POST = answer
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port}; listen 127.0.0.1:{h2_port} http2; listen unix:{folder}/api.sock;
    location / {{
      default_type application/json;
      return 200
        '{{"from": "nginx", "method": "$request_method", "url": "$request_uri", "how": "$server_protocol"}}';
    }}
    location /v1/up {{ return 204; }}
  }}
}}
"""


class Upstream(Server):
    """One server process, on a port of its own."""

    def __init__(self, *command: str, port: int, folder: Path | None = None) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.folder = folder
        self._command = command
        self.start()

    def start(self) -> None:
        self.process = ServerProcess(self._command)
        self.process.wait_for_port(self.port)

    def close(self) -> None:
        super().close()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


class Nginx(Upstream):
    """Speaks HTTP/2 without TLS as well, and listens on a socket in its folder."""

    def __init__(self, program: str, folder: Path) -> None:
        port, h2_port = reserve_port(), reserve_port()
        config = folder / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder, port=port, h2_port=h2_port))
        self.h2_url = f"http://127.0.0.1:{h2_port}/v1"
        self.socket = f"{folder}/api.sock"
        super().__init__(program, "-p", str(folder), "-e", "stderr", "-c", str(config), port=port, folder=folder)


def start_node() -> Upstream:
    port = reserve_port()
    return Upstream(*node_command(), "-e", _NODE, str(port), port=port)


def start_python() -> Upstream:
    port = reserve_port()
    return Upstream(sys.executable, "-c", _PYTHON, str(port), port=port)


def start_nginx() -> Nginx:
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        raise ServerFailed("nginx is not installed: `apt-get install nginx-light`, or any package with `nginx`")
    folder = Path(mkdtemp(prefix="nginx-"))
    folder.chmod(0o755)  # started by root, it serves as somebody else
    return Nginx(program, folder)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Upstream]]:
    """One of each."""
    started = {"node": start_node(), "python": start_python(), "nginx": start_nginx()}
    yield started
    for server in started.values():
        server.close()


def route(path: str, upstreams: str, more: str = "") -> str:
    return f'[[api]]\npath = "{path}"\n{upstreams}\ntoken = "none"\ncsrf = "off"\n{more}\n'


@pytest.fixture(scope="module")
def product(servers: dict[str, Upstream]) -> Iterator[Bff]:
    """Routes to each of them, to all of them, through a socket and by HTTP/2."""
    urls = json.dumps([server.url for server in servers.values()])
    nginx = servers["nginx"]
    apis = "".join(route(f"/{name}", f'upstream = "{server.url}"') for name, server in servers.items())
    apis += route(
        "/all", f"upstreams = {urls}", 'balance = "round_robin"\nhealth = { eject_after = 2, eject_for = "500ms" }'
    )
    checks = 'health = { eject_after = 2, eject_for = "1m", path = "/v1/up", interval = "1s" }'
    apis += route("/hasty", f"upstreams = {urls}", f'timeout = "300ms"\n{checks}')
    apis += route("/socket", f'upstream = "unix:{nginx.socket}:/v1"')
    apis += route("/h2", f'upstream = "{nginx.h2_url}"', "http2 = true")
    with start_product(NOBODY, None, apis=apis) as bff:
        yield bff


@pytest.fixture
async def browser(product: Bff):
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{product.port}", headers={"Host": f"localhost:{product.port}"}, timeout=30
    ) as client:
        yield client


@pytest.mark.parametrize("name", ["node", "python", "nginx", "socket", "h2"])
async def test_requests_reach_servers_of_every_kind(browser: httpx.AsyncClient, name: str):
    """GET, HEAD and POST; connections are used again."""
    for count in range(5):
        answer = await browser.get(f"/{name}/x%2Fy?n={count}")
        assert ("GET", f"/v1/x%2Fy?n={count}") == (answer.json()["method"], answer.json()["url"])
    assert 200 == (await browser.head(f"/{name}/x")).status_code
    posted = await browser.post(f"/{name}/x", content=b"a" * 1000)
    assert "POST" == posted.json()["method"]
    if name in {"node", "python"}:
        assert 1000 == posted.json()["size"]
    if name == "h2":
        assert "HTTP/2.0" == posted.json()["how"]


async def test_answers_of_one_that_dies_half_way_are_cut(browser: httpx.AsyncClient):
    """RFC 9112 §8: the browser's client sees that it is not whole."""
    with pytest.raises(httpx.RemoteProtocolError):
        await browser.get("/node/broken")


async def test_calls_go_round_and_one_that_is_killed_is_not_missed(
    product: Bff, servers: dict[str, Upstream], browser: httpx.AsyncClient
):
    """Every one has its turn; while one is away nobody notices, and it comes back."""
    seen = [(await browser.get("/all/x")).json()["from"] for _ in range(9)]
    assert {"node": 3, "python": 3, "nginx": 3} == {name: seen.count(name) for name in servers}

    servers["python"].kill()
    answers = await asyncio.gather(*(browser.get("/all/x") for _ in range(30)))
    assert [200] * 30 == [answer.status_code for answer in answers]
    await eventually(lambda: "upstream.ejected" in product.output(), "word of it")

    servers["python"].restart()

    async def is_back() -> bool:
        return "python" in {(await browser.get("/all/x")).json()["from"] for _ in range(3)}

    await eventually(is_back, "its return", within=30)


@pytest.mark.chaos
async def test_server_that_hangs_is_left_out_until_it_wakes(
    product: Bff, servers: dict[str, Upstream], browser: httpx.AsyncClient
):
    """Half open: it takes connections and answers none. It costs a few calls their time, and then nobody any."""
    servers["node"].pause()
    try:

        async def all_is_well() -> bool:
            answers = await asyncio.gather(*(browser.get("/hasty/x") for _ in range(6)))
            assert {200, 504} >= {answer.status_code for answer in answers}
            return all(answer.status_code == 200 for answer in answers)

        await eventually(all_is_well, "its ejection", within=30)
        assert [200] * 20 == [(await browser.get("/hasty/x")).status_code for _ in range(20)]
    finally:
        servers["node"].resume()

    async def is_back() -> bool:
        return "node" in {(await browser.get("/hasty/x")).json()["from"] for _ in range(3)}

    await eventually(is_back, "its return", within=30)

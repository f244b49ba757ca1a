"""nginx, twice: the API that is called, and the bare reverse proxy that we are compared with."""

import shutil
import tempfile
from pathlib import Path

from tests.processes import ServerFailed, ServerProcess, reserve_port
from tests.servers import Server

BODY = '{"items": [' + ", ".join(f'{{"id": {i}, "title": "some task", "done": false}}' for i in range(1, 7)) + "]}"

# One worker, no logs, connections that stay open: the least that a reverse proxy does.
_MAIN = """
worker_processes 1;
daemon off;
error_log stderr crit;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {http}
}}
"""
_API = """
  server {{
    listen 127.0.0.1:{port};
    location / {{ default_type application/json; return 200 '{body}'; }}
    location = /large {{ default_type application/octet-stream; alias {large}; }}
    location = /upload {{
      # Read to its end, then forgotten: `return` alone would answer before the body has come.
      client_max_body_size 0;
      client_body_buffer_size 16m;
      proxy_pass http://127.0.0.1:{port}/tasks;
      proxy_method GET;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
    }}
  }}
"""
LARGE = 100 * 1024  # bytes of /large
_PROXY = """
  upstream api {{
    server {api};
    keepalive 64;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port};
    location /api/ {{
      proxy_pass http://api/;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr;
      client_max_body_size 0;
      proxy_request_buffering off;
    }}
  }}
"""


class Nginx(Server):
    """One nginx with a configuration of its own, as whoever runs the benchmark."""

    def __init__(self, http: str, **values: str) -> None:
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin")
        if program is None:
            raise ServerFailed("nginx is not installed: `apt-get install nginx-light`, or any package with `nginx`")
        self._program = program
        self.port = reserve_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = tempfile.mkdtemp(prefix="nginx-")
        Path(self._folder).chmod(0o755)  # started by root, it serves as somebody else
        large = Path(self._folder, "large")
        large.write_bytes(b"x" * LARGE)
        config = _MAIN.format(folder=self._folder, http=http.format(port=self.port, large=large, **values))
        Path(self._folder, "nginx.conf").write_text(config)
        self.start()

    def start(self) -> None:
        self.process = ServerProcess(
            [self._program, "-p", self._folder, "-e", "stderr", "-c", f"{self._folder}/nginx.conf"]
        )
        self.process.wait_for_port(self.port)

    def close(self) -> None:
        super().close()
        shutil.rmtree(self._folder, ignore_errors=True)


def start_api() -> Nginx:
    """The API: 300 bytes or so of JSON to every request, 100 KiB at /large, and takes whatever comes to /upload."""
    return Nginx(_API, body=BODY)


def start_reverse_proxy(api: Nginx) -> Nginx:
    """The bare reverse proxy: /api/ goes to the API, nothing is checked."""
    return Nginx(_PROXY, api=f"127.0.0.1:{api.port}")

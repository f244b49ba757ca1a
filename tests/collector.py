"""A collector of spans: OTLP over HTTP, on a socket, in a thread of its own."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """What it got is in `spans`, `services` and `headers`; `status` is what it answers."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.asked = 0
        self.status = 200
        self.hold = threading.Event()  # answers wait for it
        self.hold.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                collector.hold.wait(30)
                self.send_response(collector.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.asked += 1
        if path != "/v1/traces" or self.status != 200:
            return
        request = ExportTraceServiceRequest()
        request.ParseFromString(body)
        self.bodies.append(body)
        self.headers.append(headers)
        for resource in request.resource_spans:
            for attribute in resource.resource.attributes:
                if attribute.key == "service.name":
                    self.services.add(attribute.value.string_value)
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def count(self, name: str) -> int:
        return sum(span.name == name for span in self.spans)

    def names(self) -> set[str]:
        return {span.name for span in self.spans}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

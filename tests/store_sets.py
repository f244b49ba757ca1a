"""Sets of Valkey servers for tests: followed by sentinels, as a cluster, and one behind TLS with an ACL user.

Each is a context manager, ready when it is handed out and gone when it is left, like those of `tests.servers`.
"""

import asyncio
import datetime as dt
import shutil
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.closing import Closing
from tests.processes import ServerFailed, ServerProcess, free_port
from tests.servers import Valkey, _valkey_program, start_valkey

READY = 60.0  # seconds, generous: the machine may be busy with other tests
SERVICE = "main"
SLOTS = 16_384
EMPTY: Mapping[bytes, bytes] = {}


def await_that(is_so: Callable[[], bool], what: str) -> None:
    """Returns as soon as it is so; faults of the connection count as not yet.

    Raises:
        ServerFailed: it is not in time.
    """
    deadline = time.monotonic() + READY
    while True:
        try:
            if is_so():
                return
        except redis.RedisError:
            pass  # not yet
        if time.monotonic() > deadline:
            raise ServerFailed(f"not in time: {what}")
        time.sleep(0.05)


def ask(port: int) -> redis.Redis:
    """The operator of the server at this port, on a connection of its own."""
    return redis.Redis(host="127.0.0.1", port=port, socket_timeout=5)


class _Set(Closing):
    """A set of processes in one directory."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="valkeys-"))
        self.servers: list[Valkey] = []

    def close(self) -> None:
        for server in self._all():
            server.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _all(self) -> list[Valkey]:
        return self.servers

    def _begin(self, begin: Callable[[], None]) -> None:
        try:
            begin()
        except BaseException:
            self.close()
            raise


# ── sentinels ────────────────────────────────────────────────────────────────────────────────────────────


class SentinelSet(_Set):
    """A primary, replicas of it, and three sentinels that watch them.

    Attributes:
        servers: the first one is the primary at the start.
        sentinels: their processes.
        sentinel_ports: where they listen.
        url: `redis+sentinel://…/main`.
    """

    def __init__(self, *, replicas: int, down_after: float) -> None:
        super().__init__()
        self.sentinels: list[ServerProcess] = []
        self._down_after = int(down_after * 1000)
        self._begin(lambda: self._start(replicas))

    def _start(self, replicas: int) -> None:
        primary = start_valkey("--repl-diskless-sync-delay", "0")
        self.servers = [primary]
        for _ in range(replicas):
            of = ["--replicaof", f"127.0.0.1 {primary.port}", "--repl-diskless-sync-delay", "0"]
            self.servers.append(start_valkey(*of))
        self.sentinel_ports = ports = [self._start_sentinel(number, primary.port) for number in range(3)]
        self.url = "redis+sentinel://" + ",".join(f"127.0.0.1:{port}" for port in ports) + f"/{SERVICE}"
        for port in ports:
            await_that(lambda port=port: self._is_ready(port, replicas), "the sentinels know each other")  # type: ignore[misc]

    def _start_sentinel(self, number: int, primary: int) -> int:
        attempts = 3
        while True:
            port = free_port()
            file = self.directory / f"sentinel-{number}.conf"
            file.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {self.directory}\n"
                f"sentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} {self._down_after}\n"
                f"sentinel failover-timeout {SERVICE} 5000\n"
            )
            process = ServerProcess([_valkey_program(), str(file), "--sentinel"])
            try:
                process.wait_for_port(port)
            except ServerFailed:
                attempts -= 1
                if not attempts:
                    raise
            else:
                self.sentinels.append(process)
                return port

    def _is_ready(self, port: int, replicas: int) -> bool:
        with ask(port) as sentinel:
            state = cast("dict[str, Any]", sentinel.sentinel_masters())[SERVICE]
        return state["num-other-sentinels"] == 2 and state["num-slaves"] == replicas

    def primary(self) -> Valkey:
        """The one that says it is."""
        for server in self.servers:
            if server.process.is_running and _role(server.port) == "master":
                return server
        raise ServerFailed("no server of the set is the primary")

    def flush(self) -> None:
        """Nothing is in it any more."""
        with ask(self.primary().port) as client:
            client.flushall()

    def close(self) -> None:
        for process in self.sentinels:
            process.stop()
        super().close()


def _role(port: int) -> str:
    with ask(port) as client:
        return bytes(cast("list[Any]", client.role())[0]).decode()


def start_sentinel_set(*, replicas: int = 1, down_after: float = 60.0) -> SentinelSet:
    """A running set; `down_after` is seconds until the sentinels give up a primary that does not answer.

    Raises:
        ServerFailed: it did not start.
    """
    return SentinelSet(replicas=replicas, down_after=down_after)


# ── a cluster ────────────────────────────────────────────────────────────────────────────────────────────


class Cluster(_Set):
    """Three primaries with a third of the slots each.

    Attributes:
        servers: the primaries, in the order of their slots.
        replicas: the first one follows the first primary, and so on; none unless asked for.
        url: `redis+cluster://…`, of the primaries at the start.
    """

    def __init__(self, *, durable: bool, has_replicas: bool) -> None:
        super().__init__()
        self.replicas: list[Valkey] = []
        self._begin(lambda: self._start(durable=durable, has_replicas=has_replicas))

    def _start(self, *, durable: bool, has_replicas: bool) -> None:
        self.servers = [_start_node(durable=durable) for _ in range(3)]
        share = -(-SLOTS // 3)
        for number, server in enumerate(self.servers):
            with ask(server.port) as node:
                node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                first, last = number * share, min(SLOTS, (number + 1) * share) - 1
                node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
        if has_replicas:
            self.replicas = [_start_node(durable=durable) for _ in self.servers]
        with ask(self.servers[0].port) as node:
            for other in self._all()[1:]:
                bus = other._options[other._options.index("--cluster-port") + 1]
                node.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, bus)
        for server in self._all():
            await_that(lambda server=server: self._is_whole(server), "the cluster is whole")  # type: ignore[misc]
        if has_replicas:
            self._replicate()
        self.await_whole()
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers)

    def _replicate(self) -> None:
        self.set_on_all("cluster-node-timeout", 1000)  # nodes tell each other sooner
        for primary, replica in zip(self.servers, self.replicas, strict=True):
            _follow(replica, primary)
        for server in self._all():
            await_that(lambda server=server: self._tells_of_all(server), "all know who follows whom")  # type: ignore[misc]
        for replica in self.replicas:
            await_that(lambda replica=replica: is_in_step(replica), "the replicas have what there is")  # type: ignore[misc]
        self.set_on_all("cluster-node-timeout", 30_000)

    def _all(self) -> list[Valkey]:
        return [*self.servers, *self.replicas]

    def set_on_all(self, name: str, value: str | int) -> None:
        """Change the configuration of every node that runs."""
        for server in self._all():
            if server.process.is_running:
                with ask(server.port) as node:
                    node.config_set(name, value)

    def let_promote(self, replica: Valkey) -> None:
        """Have it, and no other one, take over when its primary does not answer for a second and a half."""
        with ask(replica.port) as node:
            node.config_set("cluster-replica-no-failover", "no")
        self.set_on_all("cluster-node-timeout", 1500)

    def _is_whole(self, server: Valkey) -> bool:
        with ask(server.port) as node:
            told = bytes(cast("Any", node.execute_command("CLUSTER", "NODES"))).decode()
        links = [line.split() for line in told.splitlines()]
        are_connected = all(
            line[7] == "connected" and not {"fail", "fail?"} & {*line[2].split(",")} for line in links
        )
        with_slots = [line for line in links if len(line) > 8]
        return are_connected and (3 + len(self.replicas), 3) == (len(links), len(with_slots))

    def _tells_of_all(self, server: Valkey) -> bool:
        with ask(server.port) as node:
            slots = cast("list[list[Any]]", node.execute_command("CLUSTER", "SLOTS"))
        return len(self._all()) == sum(len(each) - 2 for each in slots)

    def await_whole(self) -> None:
        """Returns as soon as every node serves, and what any of them publishes is heard on every other one."""
        for server in self.servers:
            await_that(lambda server=server: self._serves(server), "the cluster is whole")  # type: ignore[misc]
        for server in self.servers:
            with ask(server.port) as node, node.pubsub() as ear:
                ear.subscribe("probe")
                for other in self.servers:
                    await_that(lambda other=other, ear=ear: self._hears(ear, other), "the nodes hear each other")  # type: ignore[misc]

    def _hears(self, ear: redis.client.PubSub, server: Valkey) -> bool:
        with ask(server.port) as node:
            node.publish("probe", server.port)
        message = ear.get_message(ignore_subscribe_messages=True, timeout=0.5)
        while message is not None and int(message["data"]) != server.port:
            message = ear.get_message(ignore_subscribe_messages=True, timeout=0.5)
        return message is not None

    def _serves(self, server: Valkey) -> bool:
        with ask(server.port) as node:
            told = _told(node)
        return "cluster_state:ok" in told and "cluster_slots_ok:16384" in told

    def await_replicated(self) -> None:
        """Returns as soon as each replica has what its primary has acknowledged until now."""
        for primary, replica in zip(self.servers, self.replicas, strict=True):
            with ask(primary.port) as node:
                written = cast("list[Any]", node.role())[1]
            await_that(lambda replica=replica, written=written: _has_come(replica, written), "the replica has it")  # type: ignore[misc]

    def flush(self) -> None:
        """Nothing is in it any more."""
        for server in self.servers:
            with ask(server.port) as node:
                node.flushall()

    def slot_of(self, key: str) -> int:
        """Where this key belongs."""
        with ask(self.servers[0].port) as node:
            return int(cast("Any", node.execute_command("CLUSTER", "KEYSLOT", key)))

    def home_of(self, key: str) -> Valkey:
        """The server that had this key at the start."""
        return self.servers[self.slot_of(key) // -(-SLOTS // 3)]

    @contextmanager
    def moving(self, slot: int, source: Valkey, target: Valkey) -> Iterator[None]:
        """A slot on its way: inside, its keys have moved and the slot has not; afterwards all of it has."""
        with ask(source.port) as old, ask(target.port) as new:
            old_id, new_id = (node.execute_command("CLUSTER", "MYID") for node in (old, new))
            new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", old_id)
            old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", new_id)
            self._migrate(slot, old, target)
            yield
            self._migrate(slot, old, target)
            for node in (new, old):
                node.execute_command("CLUSTER", "SETSLOT", slot, "NODE", new_id)

    def _migrate(self, slot: int, source: redis.Redis, target: Valkey) -> None:
        if keys := cast("Any", source.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100)):
            source.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)

    def exchange(self, primary: Valkey, replica: Valkey) -> None:
        """Take note that they have changed their parts."""
        number = self.servers.index(primary)
        self.servers[number], self.replicas[number] = replica, primary


def _start_node(*, durable: bool) -> Valkey:
    options = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "30000",
        "--cluster-replica-no-failover",
        "yes",
    ]
    options += ["--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0"]
    options += ["--cluster-port", str(free_port()), "--cluster-require-full-coverage", "no"]
    return start_valkey(*options, durable=durable)


def _follow(replica: Valkey, primary: Valkey) -> None:
    with ask(primary.port) as node, ask(replica.port) as follower:
        follower.execute_command("CLUSTER", "REPLICATE", node.execute_command("CLUSTER", "MYID"))


def _has_come(replica: Valkey, written: int) -> bool:
    with ask(replica.port) as node:
        return bool(cast("list[Any]", node.role())[4] >= written)


def is_in_step(replica: Valkey) -> bool:
    """Whether it says that it follows somebody, and hears from them."""
    with ask(replica.port) as node:
        role = cast("list[Any]", node.role())
    return (b"slave", b"connected") == (role[0], role[3])


def start_cluster(*, durable: bool = False, has_replicas: bool = False) -> Cluster:
    """A running cluster of three, or of six; `durable`: a node that restarts finds what was written before it.

    Raises:
        ServerFailed: it did not start.
    """
    return Cluster(durable=durable, has_replicas=has_replicas)


@contextmanager
def start_lone_nodes(count: int) -> Iterator[list[Valkey]]:
    """Clusters of one node each, which has all slots."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(_start_node(durable=False)) for _ in range(count)]
        for node in nodes:
            with ask(node.port) as operator:
                operator.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        for node in nodes:
            with ask(node.port) as operator:
                await_that(lambda operator=operator: "cluster_state:ok" in _told(operator), "the node serves")  # type: ignore[misc]
        yield nodes


def _told(node: redis.Redis) -> str:
    return bytes(cast("Any", node.execute_command("CLUSTER", "INFO"))).decode()


# ── behind TLS ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Papers:
    """An authority and what it has signed: paths of PEM files."""

    authority: Path
    certificate: Path
    key: Path

    def query(self) -> str:
        """As the options of a store's URL, for a client that shows this certificate."""
        files = {"ssl_ca_certs": self.authority, "ssl_certfile": self.certificate, "ssl_keyfile": self.key}
        return urlencode({name: str(file) for name, file in files.items()})


def write_papers(directory: Path, address: str = "127.0.0.1") -> Papers:
    """An authority of our own, and a certificate of one address from it, good for both ends."""
    now = dt.datetime.now(dt.UTC)

    def sign(subject: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, *more: Any) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )
        for extension in more:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(by, hashes.SHA256()).public_bytes(Encoding.PEM)

    top, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    papers = Papers(directory / "authority.pem", directory / "certificate.pem", directory / "key.pem")
    papers.authority.write_bytes(
        sign(
            "authority",
            top,
            top,
            x509.BasicConstraints(ca=True, path_length=None),
            x509.SubjectKeyIdentifier.from_public_key(top.public_key()),
        )
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(top.public_key())
    papers.certificate.write_bytes(sign(address, own, top, names, issuer))
    papers.key.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return papers


class TlsFront:
    """Ends TLS for a server behind it, as stunnel does, and lets in only who shows a certificate.

    Args:
        papers: whom it believes, and what it shows.
        behind: the server's socket, or its port.
        translations: what of the server's answers is said in other words; looked at with each answer.
    """

    def __init__(self, papers: Papers, behind: Path | int, translations: Mapping[bytes, bytes] = EMPTY) -> None:
        self._behind = behind
        self._translations = translations
        self._open: set[asyncio.WriteTransport] = set()
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(papers.authority))
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(papers.certificate, papers.key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port: int = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(READY)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._behind, int):
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        else:
            inner_reader, inner_writer = await asyncio.open_unix_connection(str(self._behind))
        self._open |= {writer.transport, inner_writer.transport}
        answers = self._pump(inner_reader, writer, self._translations)
        await asyncio.gather(self._pump(reader, inner_writer, {}), answers)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, translations: Mapping[bytes, bytes]
    ) -> None:
        try:
            while some := await source.read(65_536):
                for word, other in translations.items():
                    some = some.replace(word, other)
                sink.write(some)
                await sink.drain()
        except OSError:
            pass  # one end has gone, so the other one may
        sink.close()

    async def _end(self) -> None:
        self._server.close()
        for transport in self._open:
            transport.abort()
        await asyncio.gather(*(asyncio.all_tasks() - {cast("asyncio.Task[Any]", asyncio.current_task())}))

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(READY)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(READY)
        self._loop.close()


class SecuredValkey(Valkey):
    """A Valkey behind TLS that asks for a certificate, and knows one user with no more rights than are given here.

    Attributes:
        url: `rediss://bff:…@127.0.0.1:PORT?…`.
    """

    def __init__(self, rules: Sequence[str]) -> None:
        super().__init__(["--user", "bff", "on", ">s3cret", *rules], durable=False)
        self.papers = write_papers(Path(tempfile.mkdtemp(prefix="papers-")))
        self._front = TlsFront(self.papers, self.socket)
        self.plain_url = self.url
        self.url = f"rediss://bff:s3cret@127.0.0.1:{self._front.port}?{self.papers.query()}"

    def close(self) -> None:
        self._front.close()
        super().close()
        shutil.rmtree(self.papers.authority.parent, ignore_errors=True)


def start_secured_valkey(rules: Sequence[str]) -> SecuredValkey:
    """A running one; `rules` are those of the user `bff` in an ACL.

    Raises:
        ServerFailed: it did not start.
    """
    return SecuredValkey(rules)

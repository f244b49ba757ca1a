"""`bff check` over real sockets on this machine: the issuer, the store, upstreams, and the command as a whole."""

import asyncio
import datetime as dt
import json
import socket
import ssl
import time
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from email.utils import formatdate

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

import bff.cli.check as bff_check
from bff.cli.checks import reach
from bff.cli.checks.outcome import Outcome, Status
from bff.cli.checks.reach import check_page, check_store, check_upstreams
from bff.cli.checks.reach_issuer import check_clock, check_issuer
from bff.config import Secret, Settings
from bff.config.settings import ApiSettings, OidcSettings, SessionSettings, SpaSettings, TlsSettings, TokensSettings
from bff.config.value_types import Certificates
from tests.forging import ec_key, self_signed_certificate
from tests.neg_op import REMOVED, NegOp, Reply, json_reply
from tests.neg_op_server import serve
from tests.processes import reserve_port

pytestmark = pytest.mark.integration


def settings_for(issuer="http://127.0.0.1:9", **more):
    return Settings("https://app.example.com", OidcSettings(issuer, "spa", Secret("x"), timeout=30.0), **more)


def bad(outcomes):
    return [
        (outcome.status.value, outcome.check, outcome.message)
        for outcome in outcomes
        if outcome.status is not Status.OK
    ]


@pytest.fixture
def free_port():
    """A port that nothing listens on."""
    return reserve_port()


# ── the issuer ───────────────────────────────────────────────────────────────────────────────────────────


async def test_an_honest_issuer_passes():
    """Discovery and keys are fetched, each once."""
    async with serve() as op:
        outcomes = await check_issuer(settings_for(op.issuer))

        assert [] == [complaint for complaint in bad(outcomes) if complaint[0] == "FAIL"]
        assert Outcome(Status.OK, "keys", "1 of the issuer's keys can be used") == outcomes[-1]
        assert (1, 1) == (op.count("discovery"), op.count("jwks"))


@pytest.mark.parametrize(
    ("prepare", "check", "words"),
    [
        (lambda op: op.metadata.update(issuer="https://evil.example"), "issuer", "is of 'https://evil.example'"),
        (lambda op: op.metadata.update(token_endpoint=REMOVED), "issuer", "has no token_endpoint"),
        (lambda op: op.script("discovery", Reply(404)), "issuer", "answered with status 404"),
        (lambda op: op.script("discovery", Reply(body=b"[]")), "issuer", "did not answer with a JSON object"),
        (lambda op: op.script("jwks", Reply(500)), "keys", "answered with status 500"),
        (lambda op: op.jwks.update(keys=[]), "keys", "holds no key that can check a signature"),
        (lambda op: op.rotate_keys(ec_key(0, "ES384")), "keys", "none of the issuer's keys is for RS256"),
    ],
)
async def test_each_fault_of_an_issuer_fails_with_advice(prepare, check, words):
    """OIDC Discovery §4.3: what is wrong is named, and what to do."""
    async with serve(NegOp()) as op:
        prepare(op)
        (outcome, *_) = [o for o in await check_issuer(settings_for(op.issuer)) if o.status is Status.FAIL]

    assert check == outcome.check
    assert words in outcome.message
    assert outcome.advice


async def test_an_issuer_that_is_away_fails(free_port):
    """Nothing listens there."""
    (outcome,) = await check_issuer(settings_for(f"http://127.0.0.1:{free_port}"))

    assert (Status.FAIL, "issuer") == (outcome.status, outcome.check)
    assert "cannot be reached" in outcome.message
    assert [] == await check_clock(settings_for(f"http://127.0.0.1:{free_port}"))


@pytest.mark.parametrize(
    ("ahead", "status"),
    [(0, Status.OK), (22, Status.WARN), (-22, Status.WARN), (300, Status.FAIL), (-300, Status.FAIL)],
)
async def test_clocks_are_compared_by_the_date_header(ahead, status):
    """The issuer's Date tells how far its clock is from ours."""
    async with serve() as op:
        op.always("discovery", Reply(headers={"date": formatdate(time.time() + ahead, usegmt=True)}))
        (outcome,) = await check_clock(settings_for(op.issuer))

    assert (status, "clock") == (outcome.status, outcome.check)


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
async def test_without_a_date_nothing_is_said_about_clocks(headers):
    """A missing or broken Date header is no fault."""
    async with serve() as op:
        op.always("discovery", Reply(headers=headers))

        assert [] == await check_clock(settings_for(op.issuer))


async def test_the_clock_of_an_https_issuer_is_asked_over_tls(free_port):
    """Certificates are checked there too; an issuer that cannot be reached says nothing."""
    assert [] == await check_clock(settings_for(f"https://127.0.0.1:{free_port}"))


# ── the store ────────────────────────────────────────────────────────────────────────────────────────────


def with_store(url, timeout=2.0):
    return settings_for(session=SessionSettings(store=Secret(url), store_timeout=timeout))


async def test_stores_that_answer(tmp_path):
    """A store in memory always does; a SQLite file does when it can be opened."""
    file = tmp_path / "sessions.db"
    file.touch()

    assert [Outcome(Status.OK, "store", "the memory store answers")] == await check_store(with_store("memory:"))
    assert [Outcome(Status.OK, "store", "the sqlite store answers")] == await check_store(
        with_store(f"sqlite:///{file}")
    )


async def test_a_sqlite_file_that_is_not_there_is_not_made(tmp_path):
    """It would belong to whoever ran the check; but the directory must be fit for it."""
    file = tmp_path / "sessions.db"
    nowhere = tmp_path / "missing" / "sessions.db"

    assert [Outcome(Status.OK, "store", f"{file} will be made at the first start")] == await check_store(
        with_store(f"sqlite:///{file}")
    )
    assert not file.exists()
    assert [("FAIL", "store", f"{nowhere.parent} does not exist")] == bad(
        await check_store(with_store(f"sqlite:///{nowhere}"))
    )


async def test_a_directory_that_cannot_be_written(tmp_path, monkeypatch):
    """Found before the first login is."""
    monkeypatch.setattr(reach.os, "access", lambda _path, _mode: False)

    assert [("FAIL", "store", f"{tmp_path} cannot be written by this user")] == bad(
        await check_store(with_store(f"sqlite:///{tmp_path}/sessions.db"))
    )


async def test_a_store_that_does_not_answer(free_port):
    """The password in its address is not told."""
    outcomes = await check_store(with_store(f"redis://:hunter2@127.0.0.1:{free_port}", timeout=1.0))

    ((status, check, message),) = bad(outcomes)
    assert ("FAIL", "store") == (status, check)
    assert message.startswith("the redis store does not answer: ")
    assert "hunter2" not in str(outcomes)


async def test_a_store_address_that_cannot_be_used():
    """What only the store itself can tell is told too."""
    ((status, check, message),) = bad(await check_store(with_store("redis://cache?colour=red")))

    assert ("FAIL", "store") == (status, check)
    assert "unknown option 'colour'" in message


# ── upstreams ────────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def listening(reply=b"", **more):
    """A port that takes connections, answers each with `reply` once something came, and queues what came."""
    came = asyncio.Queue()

    async def accept(reader, writer):
        await came.put(await reader.read(100))
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, **more)
    async with server:
        yield server.sockets[0].getsockname()[1], came


def with_upstreams(*upstreams, **more):
    return settings_for(
        api=tuple(ApiSettings(f"/api/{n}", url, connect_timeout=2.0) for n, url in enumerate(upstreams)), **more
    )


async def test_upstreams_are_connected_to_once_and_sent_nothing():
    """Two routes to one server are one check, and no byte is sent."""
    async with listening() as (port, came):
        url = f"http://127.0.0.1:{port}"
        outcomes = await check_upstreams(with_upstreams(f"{url}/a", f"{url}/b", spa=SpaSettings(upstream=url)))
        first = await asyncio.wait_for(came.get(), timeout=30)

    assert [Outcome(Status.OK, "upstream", f"http://127.0.0.1:{port} can be reached")] == outcomes
    assert (b"", 0) == (first, came.qsize())


async def test_upstreams_that_are_away_fail(free_port):
    """Each is told by its address and its reason."""
    outcomes = await check_upstreams(with_upstreams(f"http://127.0.0.1:{free_port}"))

    assert [("FAIL", "upstream", f"http://127.0.0.1:{free_port} cannot be reached: connection refused")] == bad(
        outcomes
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (TimeoutError(), "does not answer within 2 s"),
        (socket.gaierror(-2, "Name or service not known"), "has a host name that cannot be resolved"),
        (OSError("Multiple exceptions"), "cannot be reached: no address of it answers"),
    ],
)
async def test_other_ways_not_to_reach_an_upstream(monkeypatch, error, message):
    """A silent host, an unknown name, several addresses."""

    async def refuse(*_args, **_more):
        raise error

    monkeypatch.setattr(reach.asyncio, "open_connection", refuse)

    assert [("FAIL", "upstream", f"http://orders {message}")] == bad(
        await check_upstreams(with_upstreams("http://orders/v1"))
    )


async def test_plain_http_to_another_machine_is_a_warning(monkeypatch):
    """RFC 9700 §2.6: an access token should not cross a network in clear."""
    async with listening() as (port, _):
        connect = asyncio.open_connection
        monkeypatch.setattr(
            reach.asyncio, "open_connection", lambda _host, _port, **more: connect("127.0.0.1", port, **more)
        )
        outcomes = await check_upstreams(with_upstreams("http://orders.internal:9001"))

    assert [
        (
            "WARN",
            "upstream",
            "http://orders.internal:9001 is plain http: users' access tokens cross the network in clear",
        )
    ] == bad(outcomes)


def self_signed(tmp_path):
    """A certificate for localhost that only those trust who are given it."""
    key = ec_key().private
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(ec_key().pem().encode() + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


async def test_https_upstreams_must_have_a_certificate_that_is_trusted(tmp_path, monkeypatch):
    """RFC 6750 §5.3: chain and name are checked before a token is ever sent."""
    context, file = self_signed(tmp_path)
    async with listening(ssl=context) as (port, _):
        distrusted = await check_upstreams(with_upstreams(f"https://localhost:{port}"))
        trusting = ssl.create_default_context(cafile=file)
        monkeypatch.setattr(reach.ssl, "create_default_context", lambda: trusting)
        trusted = await check_upstreams(with_upstreams(f"https://localhost:{port}"))
        misnamed = await check_upstreams(with_upstreams(f"https://127.0.0.1:{port}"))

    assert [("FAIL", "upstream")] == [complaint[:2] for complaint in bad(distrusted)]
    assert "has a bad certificate: self" in distrusted[0].message
    assert [] == bad(trusted)
    assert "has a bad certificate: IP address mismatch" in misnamed[0].message


async def test_own_authorities_and_certificates_are_tried(tmp_path):
    """`tls.ca_file` is believed; a certificate whose key is another one's is told before the start."""
    where, whose = self_signed_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(where, whose)
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    own = TlsSettings(ca_file=Certificates(where.read_text()))
    wrong = replace(own, client_cert=own.ca_file, client_key=Secret("-----BEGIN PRIVATE KEY-----\n!"))

    async with server:
        trusted = await check_upstreams(settings_for(api=(ApiSettings("/a", url, tls=own),)))
        unfit = await check_upstreams(settings_for(api=(ApiSettings("/a", url, tls=wrong),)))

    assert [] == bad(trusted)
    assert [("FAIL", "upstream", "/a has a client certificate or key that cannot be used")] == bad(unfit)


async def test_unix_sockets_are_connected_to(tmp_path):
    """Those of routes and that of a development server."""
    path = tmp_path / "api.sock"
    settings = settings_for(
        api=(ApiSettings("/a", upstreams=(f"unix:{path}:/v1",)),), spa=SpaSettings(upstream=f"unix:{path}")
    )
    closed = asyncio.Event()

    async def accept(_reader, writer):
        writer.close()
        await writer.wait_closed()
        closed.set()

    away = await check_upstreams(settings)
    async with await asyncio.start_unix_server(accept, str(path)):
        there = await check_upstreams(settings)
        await closed.wait()

    assert [("FAIL", "upstream", f"unix:{path} cannot be reached: no such file or directory")] == bad(away)
    assert [] == bad(there)


async def test_https_to_a_plain_port_fails():
    """Told apart from a bad certificate."""
    async with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (port, _):
        outcomes = await check_upstreams(with_upstreams(f"https://127.0.0.1:{port}"))

    ((_, _, message),) = bad(outcomes)
    assert message.startswith(f"https://127.0.0.1:{port} does not speak TLS: ")


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_must_be_built(tmp_path):
    """A directory without an index.html would answer 404 to everybody."""
    (tmp_path / "built").mkdir()
    (tmp_path / "built" / "index.html").touch()
    (tmp_path / "empty").mkdir()

    def complaints(name):
        return bad(check_page(settings_for(spa=SpaSettings(directory=str(tmp_path / name)))))

    assert [] == complaints("built")
    assert [("FAIL", "page", f"{tmp_path}/empty has no index.html")] == complaints("empty")
    assert [("FAIL", "page", f"{tmp_path}/missing is no directory")] == complaints("missing")
    assert [] == check_page(settings_for())
    assert [] == check_page(settings_for(spa=SpaSettings(upstream="http://127.0.0.1:5173")))


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────


async def test_when_all_is_well_the_exit_code_is_0(bff, configured):
    """Every line is OK or WARN, and no secret is among them."""
    async with serve() as op, listening() as (port, _):
        configured(issuer=op.issuer, upstream=f"http://127.0.0.1:{port}/v1")
        result = await asyncio.to_thread(bff, "check")

    lines = result.stdout.splitlines()
    assert 0 == result.exit_code
    assert {"OK", "WARN"} >= {line.split()[0] for line in lines}
    assert "OK    configuration: bff.toml is valid" == lines[0]
    for check in ("secrets", "addresses", "issuer", "keys", "store", "upstream"):
        assert any(line.startswith((f"OK    {check}:", f"WARN  {check}:")) for line in lines)
    assert "hunter2" not in result.output


async def test_one_failure_makes_the_exit_code_1(bff, configured, free_port):
    """The rest is still checked and told; `--json` tells the same to a program."""
    async with serve() as op:
        configured(issuer=op.issuer, upstream=f"http://127.0.0.1:{free_port}")
        result = await asyncio.to_thread(bff, "check", "--json")

    outcomes = json.loads(result.stdout)
    assert 1 == result.exit_code
    assert [
        {
            "status": "FAIL",
            "check": "upstream",
            "message": f"http://127.0.0.1:{free_port} cannot be reached: connection refused",
            "advice": "see that it runs, and that `upstream` is right",
            "why": "",
        }
    ] == [outcome for outcome in outcomes if outcome["status"] == "FAIL"]


def test_a_wrong_configuration_is_told_and_nobody_is_asked(bff, configured):
    """All mistakes, one a line; nothing is reached out for with half a configuration."""
    configured('[session]\nidel_timeout = "1h"\nsame_site = "none"')
    result = bff("check")

    assert 1 == result.exit_code
    assert [
        (
            "FAIL  configuration: bff.toml:12: session.idel_timeout unknown key → expected one of "
            f'{", ".join(field.name for field in fields(SessionSettings))}; did you mean "idle_timeout"?'
        ),
        'FAIL  configuration: bff.toml:13: session.same_site is "none" → expected one of "strict", "lax"',
    ] == result.stdout.splitlines()


async def test_a_warning_of_the_configuration_is_a_line_too(bff, configured):
    """It does not fail the check."""
    async with serve() as op, listening() as (port, _):
        configured("csrf = false", issuer=op.issuer, upstream=f"http://127.0.0.1:{port}")
        result = await asyncio.to_thread(bff, "check")

    assert 0 == result.exit_code
    assert result.stdout.startswith(
        "WARN  configuration: bff.toml:11: api.0.csrf lets every web site call this API"
    )


async def test_what_takes_long_is_named(monkeypatch):
    """After a second of silence somebody at a terminal wants to know what is going on."""
    monkeypatch.setattr(bff_check, "PATIENCE", 0.5)
    told = []
    async with serve() as op:
        gate = op.hold("jwks")

        def tell(message):
            told.append(message)
            gate.set()

        outcomes = await bff_check.reach_out(
            replace(settings_for(op.issuer), session=SessionSettings(store=Secret("memory:"))), tell
        )

    assert "… waiting for the issuer" in told
    assert "… waiting for the store" not in told
    assert any(outcome.check == "keys" and outcome.status is Status.OK for outcome in outcomes)


async def test_what_takes_long_is_named_on_standard_error(bff, configured, monkeypatch):
    """Standard output stays what a program can read."""
    monkeypatch.setattr(bff_check, "PATIENCE", 0.0)
    async with serve() as op, listening() as (port, _):
        configured(issuer=op.issuer, upstream=f"http://127.0.0.1:{port}")
        result = await asyncio.to_thread(bff, "check", "--json")

    assert "… waiting for the issuer\n" in result.stderr
    assert isinstance(json.loads(result.stdout), list)


async def test_the_discovery_of_a_slow_issuer_ends_with_its_timeout():
    """A check never hangs: `oidc.timeout` bounds every request to the issuer."""
    async with serve() as op:
        op.hold("discovery")
        settings = settings_for(op.issuer)
        settings = replace(settings, oidc=replace(settings.oidc, timeout=0.2))
        (outcome,) = await check_issuer(settings)

        assert (Status.FAIL, "issuer") == (outcome.status, outcome.check)
        assert "did not answer within 0.2 seconds" in outcome.message
        assert [] == await check_clock(settings)


async def test_a_document_in_json_is_enough(free_port):
    """Members that we do not know are passed over; no common algorithm is a failure."""
    async with serve() as op:
        op.metadata["id_token_signing_alg_values_supported"] = ["RS256"]
        settings = replace(settings_for(op.issuer), tokens=TokensSettings(algorithms=("ES256",)))
        op.script("jwks", json_reply({"keys": [ec_key().jwk()]}))

        assert [("FAIL", "issuer", "signs ID tokens with RS256, and we accept ES256")] == [
            complaint for complaint in bad(await check_issuer(settings)) if complaint[0] == "FAIL"
        ]

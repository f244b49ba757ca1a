"""HTTP towards the issuer, in process and over a real socket."""

import asyncio
import gzip
import socket
import ssl
from email.utils import formatdate
from typing import NoReturn

import httpx
import pytest

from bff.errors import IssuerUnavailable
from bff.oidc.transport import MAX_SIZE, Answer, IssuerTransport
from tests.forging import self_signed_certificate
from tests.neg_op import NegOp, Reply, json_reply
from tests.neg_op_server import serve

URL = "https://op.test/.well-known/openid-configuration"


async def get(reply: Reply | Exception, **options: object) -> Answer:
    op = NegOp()
    op.script("discovery", reply)
    transport = IssuerTransport(op.transport(), **options)
    try:
        return await transport.get(URL)
    finally:
        await transport.close()


async def unavailable(reply: Reply | Exception, **options: object) -> str:
    with pytest.raises(IssuerUnavailable) as caught:
        await get(reply, **options)
    return caught.value.detail


async def test_an_answer_is_a_value():
    """Status, media type without its parameters, body."""
    answer = await get(Reply(201, b"{}", {"content-type": "Application/JSON; charset=utf-8"}))

    assert (201, "application/json", b"{}", None) == (
        answer.status,
        answer.media_type,
        answer.body,
        answer.retry_after,
    )


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("application/json", {"a": 1}),
        ("application/jwk-set+json", {"a": 1}),
        ("text/plain", None),
        ("text/json", None),
        ("", None),
    ],
)
async def test_json_is_what_says_that_it_is(media_type, expected):
    """OIDC Core §3.1.3.3: the content type is checked."""
    assert expected == (await get(Reply(200, b'{"a": 1}', media_type=media_type))).json_object()


async def test_no_cookie_is_kept():
    """One jar for all users would send one user's cookie with the next one's request."""
    op = NegOp()
    op.always("discovery", Reply(200, b"{}", {"set-cookie": "session=alice; Path=/"}))
    transport = IssuerTransport(op.transport())
    for _ in range(2):
        await transport.get(URL)
    await transport.close()

    assert ["cookie" in seen.headers for seen in op.seen] == [False, False]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status):
    """RFC 9700 §4.12, OIDC Discovery §7.1: a redirect is an answer, and not one that we want."""
    op = NegOp()
    op.script("token", Reply(status, headers={"location": "https://evil.test/"}))
    op.script("discovery", Reply(status, headers={"location": "https://evil.test/"}))
    transport = IssuerTransport(op.transport())

    assert status == (await transport.post_form("https://op.test/token", [("code", "c")])).status
    with pytest.raises(IssuerUnavailable):
        await transport.get_json(URL)
    await transport.close()
    assert (2, []) == (len(op.seen), op.strangers)


async def test_the_environment_has_no_say(monkeypatch):
    """No proxy, no .netrc, from the environment."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with serve() as op:
        transport = IssuerTransport()
        assert op.issuer == (await transport.get_json(f"{op.issuer}/.well-known/openid-configuration"))["issuer"]
        await transport.close()


@pytest.mark.parametrize("extra", [0, 1])
async def test_a_body_is_read_up_to_its_limit(extra):
    """OIDC Core §3.1.3.3: bounded, and exactly so."""
    reply = Reply(200, b"x" * (MAX_SIZE + extra))
    if extra:
        assert "larger" in await unavailable(reply)
    else:
        assert MAX_SIZE == len((await get(reply)).body)


async def test_a_body_without_end_is_cut_off():
    """A drip of pieces counts together."""
    pieces = [(0.0, b"x" * 65536)] * 1000

    assert "larger" in await unavailable(Reply(200, pieces))


async def test_a_gzip_bomb_does_not_go_off():
    """RFC 8725 §3.6 in spirit: what is decoded is bounded, not only what is sent."""
    bomb = gzip.compress(b"\0" * (64 * MAX_SIZE))
    assert len(bomb) < MAX_SIZE

    assert "larger" in await unavailable(Reply(200, bomb, {"content-encoding": "gzip"}))


async def test_gzip_that_was_not_asked_for_is_read_all_the_same():
    """Some content networks compress whatever is asked."""
    body = gzip.compress(b'{"a": 1}')

    assert {"a": 1} == (await get(Reply(200, body, {"content-encoding": "gzip"}))).json_object()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"not gzip", "gzip"),
        (gzip.compress(b"{}" * 100, mtime=0)[:-10], "gzip"),
        (b"{}", "br"),
        (b"{}", "gzip, gzip"),
        (b"{}", "deflate"),
    ],
)
async def test_an_encoding_that_was_not_asked_for_is_no_answer(body, encoding):
    """RFC 9110 §12.5.3: we ask for identity."""
    assert "The answer of" in await unavailable(Reply(200, body, {"content-encoding": encoding}))


@pytest.mark.parametrize(
    "exception",
    [
        httpx.ConnectError("x"),
        httpx.ReadTimeout("x"),
        httpx.RemoteProtocolError("x"),
        httpx.ReadError("x"),
        httpx.PoolTimeout("x"),
    ],
)
async def test_no_answer_is_one_error(exception):
    """Whatever happened on the way, it may be otherwise the next time; what was sent is not shown."""
    detail = await unavailable(exception)

    assert "https://op.test/.well-known/openid-configuration cannot be reached" in detail


async def test_an_issuer_that_does_not_listen_is_told_from_one_whose_name_nobody_knows(monkeypatch):
    """Whoever reads the log must know what to mend: over real sockets, and a resolver that knows no names."""

    async def resolve(*_args: object, **_options: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        transport = IssuerTransport()
        with pytest.raises(IssuerUnavailable, match=rf":{port}/token cannot be reached: connection refused\."):
            await transport.get(f"http://127.0.0.1:{port}/token")
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    with pytest.raises(IssuerUnavailable, match=r"cannot be reached: its name cannot be resolved\."):
        await transport.get("http://op.test/token")
    await transport.close()


async def test_an_issuer_without_tls_is_told():
    """An address with https that answers in clear."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    transport = IssuerTransport()
    with pytest.raises(IssuerUnavailable, match=r"cannot be reached: it does not speak TLS there\."):
        await transport.get(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/token")
    await transport.close()
    server.close()
    await server.wait_closed()


async def test_a_slow_issuer_is_not_waited_for():
    """The bound is on the whole exchange, not on each read."""
    op = NegOp()
    op.hold("token")
    transport = IssuerTransport(op.transport(), timeout=0.05)

    with pytest.raises(IssuerUnavailable, match=r"0\.05 seconds"):
        await transport.post_form("https://op.test/token", [("code", "c")])
    await transport.close()


async def test_a_dripping_issuer_is_not_waited_for():
    """A byte now and then keeps every read alive, and the whole is still bounded."""
    async with serve() as op:
        op.script("jwks", Reply(200, [(0.03, b"x")] * 100))
        transport = IssuerTransport(timeout=0.2)

        with pytest.raises(IssuerUnavailable, match=r"0\.2 seconds"):
            await transport.get(f"{op.issuer}/jwks")
        await transport.close()


async def test_a_connection_that_is_cut_is_no_answer():
    """Over a real socket."""
    async with serve() as op:
        op.script("token", ConnectionResetError())
        transport = IssuerTransport()

        with pytest.raises(IssuerUnavailable, match="cannot be reached"):
            await transport.post_form(f"{op.issuer}/token", [("code", "c")])
        assert 1 == op.count("token"), "a form is never sent twice"
        await transport.close()


async def test_a_certificate_that_nobody_vouches_for_ends_the_call(tmp_path):
    """RFC 6750 §5.3, OIDC Discovery §7.1: TLS is checked, chain and name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed_certificate(tmp_path))
    seen = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    transport = IssuerTransport()
    with pytest.raises(IssuerUnavailable, match="cannot be reached: its certificate is not trusted"):
        await transport.post_form(f"https://127.0.0.1:{port}/token", [("refresh_token", "secret")])
    await transport.close()
    server.close()
    await server.wait_closed()

    assert [] == [data for data in seen if data]


async def test_a_form_is_a_form():
    """RFC 6749 appendix B."""
    op = NegOp()
    transport = IssuerTransport(op.transport())
    await transport.post_form("https://op.test/token", [("a", "x y+&é"), ("resource", "1"), ("resource", "2")])
    await transport.close()
    (seen,) = op.seen

    assert ("POST", "application/x-www-form-urlencoded") == (seen.method, seen.headers["content-type"])
    assert (("a", "x y+&é"), ("resource", "1"), ("resource", "2")) == seen.form_pairs


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "0"}, 1),
        ({"retry-after": "99999"}, 300),
        ({"retry-after": "9" * 5000}, 300),
        ({"retry-after": f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT", "date": "Mon, 01 Jan 2024 00:00:00 GMT"}, None),
        ({"retry-after": "-7"}, None),
        ({"retry-after": "7.5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": formatdate(1060, usegmt=True), "date": formatdate(1000, usegmt=True)}, 60),
        ({"retry-after": formatdate(900, usegmt=True), "date": formatdate(1000, usegmt=True)}, 1),
        ({"retry-after": formatdate(900, usegmt=True)}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00", "date": formatdate(1000, usegmt=True)}, None),
    ],
)
async def test_retry_after_is_read_and_clamped(headers, seconds):
    """RFC 9110 §10.2.3: seconds or a date; between one second and five minutes."""
    assert seconds == (await get(Reply(503, b"", headers))).retry_after


async def test_a_refusal_carries_what_the_issuer_asked_for():
    """RFC 9110 §10.2.3."""
    op = NegOp()
    op.script("discovery", Reply(503, headers={"retry-after": "42"}), Reply(500), json_reply([1]))
    transport = IssuerTransport(op.transport())

    waits = []
    for _ in range(3):
        with pytest.raises(IssuerUnavailable) as caught:
            await transport.get_json(f"{URL}?secret=1")
        assert "secret" not in caught.value.detail
        waits.append(caught.value.retry_after)
    await transport.close()
    assert [42, 5, 5] == waits


@pytest.mark.parametrize("url", ["https://", "https://exa mple/", "https://[::1", "https://xn--/", "/x"])
async def test_a_url_that_leads_nowhere_is_one_error(url):
    """No spelling of an endpoint makes a 500."""
    transport = IssuerTransport(timeout=1.0)
    with pytest.raises(IssuerUnavailable):
        await transport.get(url)
    await transport.close()


async def test_a_closed_transport_says_so():
    """At shutdown a late call is refused, not lost."""
    transport = IssuerTransport(NegOp().transport())
    await transport.close()

    with pytest.raises(IssuerUnavailable, match="shutting down"):
        await transport.get(URL)

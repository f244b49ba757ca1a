"""What is read from a request's headers, and what of them goes on."""

import pytest

from bff.errors import BadRequest, HeadersTooLarge
from bff.proxy import head as module
from bff.proxy.head import RequestHead, read_head

LIMITS = {"max_headers": 100, "max_size": 32768}


def test_each_header_goes_where_it_belongs():
    """What we decide on is read, what we set ourselves is dropped, the rest passes in order."""
    head = read_head(
        [
            (b"host", b"app.test"),
            (b"accept", b"application/json"),
            (b"cookie", b"a=1"),
            (b"cookie", b"b=2"),
            (b"origin", b"https://app.test"),
            (b"sec-fetch-site", b"same-origin"),
            (b"x-csrf", b"1"),
            (b"content-length", b"12"),
            (b"transfer-encoding", b"chunked"),
            (b"x-forwarded-for", b"1.1.1.1"),
            (b"x-forwarded-for", b"2.2.2.2"),
            (b"x-forwarded-host", b"app.test"),
            (b"traceparent", b"00-"),
            (b"connection", b"X-Hop, close"),
            (b"x-hop", b"1"),
            (b"accept", b"*/*"),
            (b"authorization", b"Bearer evil"),
            (b"x-note", "é".encode()),
        ],
        **LIMITS,
    )

    assert head == RequestHead(
        forward=[("accept", "application/json"), ("accept", "*/*"), ("x-note", "é")],
        cookies=[b"a=1", b"b=2"],
        origin=b"https://app.test",
        sec_fetch_site=b"same-origin",
        csrf=True,
        content_length=12,
        chunked=True,
        host=b"app.test",
        forwarded_for=(b"1.1.1.1", b"2.2.2.2"),
        forwarded_host=b"app.test",
        traceparent=b"00-",
        dropped_by_connection=frozenset({b"x-hop", b"close"}),
    )


@pytest.mark.parametrize(
    "name",
    [
        b"authorization", b"Authorization", b"AUTHORIZATION", b"dpop", b"cookie", b"x-forwarded-for",
        b"X-Forwarded-Proto", b"x-forwarded-anything", b"x_forwarded_for", b"forwarded", b"x-real-ip", b"x_real_ip",
        b"x-csrf", b"te", b"upgrade", b"expect", b"client-cert", b"x-original-url", b"x-http-method-override",
        b"proxy-authorization", b"proxy-anything", b"x-auth-request-user", b"x-ssl-client-verify", b"remote-user",
        b"remote_user", b"sec-websocket-key", b"referer", b"origin", b"x-request-id", b"via", b"host",
    ],
)  # fmt: skip
def test_headers_that_upstreams_believe_never_pass(name):
    """OWASP ASVS 4.1.3: no spelling of a header that we set, or that names a user, comes from the browser."""
    assert [] == read_head([(name, b"1")], **LIMITS).forward


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"a"), (b"host", b"a")],
        [(b"content-length", b"1"), (b"content-length", b"1")],
        [(b"content-length", b"-1")],
        [(b"content-length", b"+1")],
        [(b"content-length", b"1, 1")],
        [(b"content-length", b"")],
        [(b"content-length", b"9" * 19)],
        [(b"accept", b"\xff\xfe")],
    ],
)
def test_ambiguous_headers_are_refused(headers):
    """RFC 9112 §3.2 and §6.3: one Host, one Content-Length that is a number, and text that can be passed on."""
    with pytest.raises(BadRequest):
        read_head(headers, **LIMITS)


def test_two_origins_are_nobody_s():
    """A doubled Origin or Sec-Fetch-Site equals none that we would accept."""
    head = read_head(
        [(b"origin", b"https://app.test"), (b"origin", b"https://app.test"), (b"sec-fetch-site", b"none")] * 2,
        **LIMITS,
    )

    assert (b"\0", b"\0") == (head.origin, head.sec_fetch_site)


@pytest.mark.parametrize(("value", "csrf"), [(b"1", True), (b"0", False), (b"true", False), (b"", False)])
def test_only_the_exact_csrf_header_counts(value, csrf):
    """Anything but `1` is as good as none."""
    assert csrf is read_head([(b"x-csrf", value)], **LIMITS).csrf


def test_limits_on_number_and_size():
    """The last header that fits passes, the next one does not."""
    assert 2 == len(read_head([(b"accept", b"1")] * 2, max_headers=2, max_size=14).forward)
    with pytest.raises(HeadersTooLarge):
        read_head([(b"accept", b"1")] * 3, max_headers=2, max_size=1000)
    with pytest.raises(HeadersTooLarge):
        read_head([(b"accept", b"1")] * 2, max_headers=2, max_size=13)


@pytest.mark.parametrize(
    ("headers", "has_body"),
    [([], False), ([(b"content-length", b"0")], True), ([(b"transfer-encoding", b"chunked")], True)],
)
def test_body_is_announced_by_length_or_chunks(headers, has_body):
    """RFC 9112 §6: a message has a body if one of the two is there."""
    assert has_body is read_head(headers, **LIMITS).has_body


def test_names_from_browsers_are_remembered_only_so_many(monkeypatch):
    """What a browser makes up cannot fill our memory."""
    monkeypatch.setattr(module, "_fate", {b"known": "known"})
    monkeypatch.setattr(module, "_KNOWN_MAX", 3)

    passed = read_head([(b"n%d" % number, b"1") for number in range(9)], **LIMITS).forward

    assert ([f"n{number}" for number in range(9)], 3) == ([name for name, _ in passed], len(module._fate))


def test_long_names_from_browsers_are_not_remembered(monkeypatch):
    """So many of them, each as long as a header section may be, would fill it all the same."""
    monkeypatch.setattr(module, "_fate", {})

    passed = read_head([(b"n" * 5000, b"1")], **LIMITS).forward

    assert ([("n" * 5000, "1")], {}) == (passed, module._fate)

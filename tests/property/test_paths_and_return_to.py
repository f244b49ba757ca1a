"""Whatever goes in, an accepted path stays where it belongs."""

import re
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from hypothesis import example, given
from hypothesis import strategies as st
from pyreqwest.http import Url

from bff.errors import BadRequestTarget, ReturnToRefused
from bff.http.return_to import parse_return_to
from bff.http.targets import check_query, check_target
from bff.proxy.routes import RouteTable
from tests.values import make_route

PIECES = [
    b"/", b"//", b".", b"..", b"...", b";", b"%2e", b"%2E", b"%252e", b"%25252e", b"%2f", b"%2F", b"%252f", b"%5c",
    b"\\", b"%00", b"%0a", b"%", b"%25", b"%c0%ae", b"%C0%AF", b"a", b"api", b"orders", b"admin", b"@", b":", b"#",
    b"evil.test", b"%20", b" ", b"\t", b"\xc3\xa9", b"\xff", b"%ef%bc%8e", b"%e2%80%a8", b"%3b", b"%23", b"[", b"]",
    b"~", b"?",
]  # fmt: skip
PATHS = st.one_of(
    st.binary(max_size=60).map(lambda raw: b"/" + raw),
    st.lists(st.sampled_from(PIECES), max_size=14).map(lambda pieces: b"/" + b"".join(pieces)),
    st.lists(st.sampled_from(PIECES), max_size=10).map(lambda pieces: b"/api/" + b"".join(pieces)),
)
UPSTREAMS = ["http://upstream.test:9001/v1/orders", "http://upstream.test"]


def accepted(path):
    try:
        check_target(path)
    except BadRequestTarget:
        return False
    return True


def dot_segments(path):
    return [part for part in re.split(rb"[/\\]", path) if part.split(b";")[0].strip() in {b".", b".."}]


@given(PATHS)
def test_accepted_path_has_no_dot_segment_however_often_it_is_decoded(path):
    """OWASP ASVS 4.2: not raw, and not after one, two or three decodings; nor a control or a backslash."""
    if accepted(path):
        for _ in range(4):
            assert [] == dot_segments(path)
            assert not re.search(rb"[\x00-\x1f\x7f\\]", path)
            path = unquote_to_bytes(path)


@given(PATHS, st.sampled_from(UPSTREAMS), st.sampled_from([b"", b"a=1", b"u=http://x/../../y?z"]))
@example(b"/api/@evil.test", UPSTREAMS[1], b"")
@example(b"/api//evil.test", UPSTREAMS[1], b"")
@example(b"/api/..%2f", UPSTREAMS[0], b"")
def test_forwarded_url_never_leaves_the_upstream_s_prefix(path, upstream, query):
    """OAuth 2.0 for Browser-Based Applications §6.1.3.6: as Python reads it, and as our client does."""
    if not accepted(path):
        return
    found = RouteTable([make_route("/api", upstream)]).match(path)
    if found is None:
        return
    route, rest = found
    check_query(query)
    url = route.upstream + rest + (f"?{query.decode()}" if query else "")
    base = urlsplit(upstream)

    read = urlsplit(url)
    assert (base.scheme, base.netloc) == (read.scheme, read.netloc)
    assert read.path.startswith(base.path)
    sent = Url(url)
    assert ("http", "upstream.test", base.port or 80) == (sent.scheme, sent.host_str, sent.port_or_known_default)
    inside = sent.path == base.path or sent.path.startswith(base.path.rstrip("/") + "/")
    assert inside or not rest
    assert query.decode() == (sent.query_string or "")


NESTED = RouteTable([make_route("/api"), make_route("/api/admin", "http://upstream.test/v1/admin")])
SPELLINGS = st.lists(
    st.sampled_from(
        [b"/", b"//", b"admin", b"ADMIN", b"%61dmin", b"%2561dmin", b"%2f", b";x", b"%20", b"users", b"x"]
    ),
    max_size=6,
).map(lambda pieces: b"/api" + b"".join(pieces))


def lenient(path):
    """How the most forgiving upstream would read a path."""
    for _ in range(3):
        path = unquote_to_bytes(path)
    return [part.split(b";")[0].strip().lower() for part in path.split(b"/") if part.split(b";")[0].strip()]


@given(SPELLINGS)
def test_no_spelling_walks_around_a_route_further_in(path):
    """What the most forgiving reader would take for /api/admin is decided by its rules, or refused."""
    found = NESTED.match(path)
    if found is not None and lenient(path)[:2] == [b"api", b"admin"]:
        assert "/api/admin" == found[0].path


# ── return_to ────────────────────────────────────────────────────────────────────────────────────────────

ORIGIN = "https://app.test"
WORDS = [
    "/", "\\", "//", ".", "..", "%2f", "%5c", "%09", "\t", "\n", "@", ":", "evil.test", "https:", "?", "#", "a",
    "%2e", "%252f", "%255c", "bff", "/bff", "%62ff", ";", "login", " ", "\u2028", "\uff0f", "javascript:",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=40),
    st.text(max_size=40).map(lambda text: "/" + text),
    st.lists(st.sampled_from(WORDS), max_size=10).map("".join),
)


def as_browsers_read(value):
    """WHATWG URL: tabs and newlines vanish, surrounding controls and spaces too, a backslash is a slash."""
    text = re.sub(r"[\t\n\r]", "", value).strip("".join(map(chr, range(0x21))))
    head, mark, tail = re.match(r"([^?#]*)([?#]?)(.*)\Z", text, re.DOTALL).groups()
    return head.replace("\\", "/") + mark + tail


@given(TEXTS)
@example("/\\evil.test")
@example("/\t/evil.test")
def test_accepted_return_to_stays_on_our_origin_in_every_reading(value):
    """RFC 9700 §4.11.1: joined with our origin, as it is and as browsers repair it, it is ours."""
    try:
        target = parse_return_to(value, forbidden_prefix="/bff")
    except ReturnToRefused:
        return

    for form in (target, as_browsers_read(target)):
        read = urlsplit(urljoin(ORIGIN + "/bff/callback", form))
        assert ("https", "app.test") == (read.scheme, read.netloc)
        assert not read.path.startswith("/bff/")
        sent = Url(urljoin(ORIGIN + "/", form))
        assert ("https", "app.test") == (sent.scheme, sent.host_str)
    assert target == (value or "/")
    assert target.isascii()

"""Whatever headers come, only what may pass passes."""

from hypothesis import given
from hypothesis import strategies as st

from bff.errors import BffError
from bff.http.cookies import has_cookie, keep_cookies, read_cookie, read_prefixed
from bff.proxy.answer import build_answer_headers
from bff.proxy.forward import Call, Forwarder
from bff.proxy.forwarded import Forwarding
from bff.proxy.head import _DROPPED, _DROPPED_PREFIXES, read_head
from tests.values import make_route

NAME = b"__Host-bff"
FORBIDDEN = sorted(_DROPPED) + [prefix + b"x" for prefix in _DROPPED_PREFIXES]
TOKEN = st.text("abcdefghijklmnopqrstuvwxyz-_", min_size=1, max_size=20).map(str.encode)


@st.composite
def twins(draw):
    """A forbidden name in some other spelling: case, and underscores for hyphens."""
    name = draw(st.sampled_from(FORBIDDEN)).decode()
    flips = draw(st.lists(st.booleans(), min_size=len(name), max_size=len(name)))
    spelled = "".join(letter.upper() if flip else letter for letter, flip in zip(name, flips, strict=True))
    return (spelled.replace("-", "_") if draw(st.booleans()) else spelled).encode()


VALUES = st.one_of(st.binary(max_size=20), st.sampled_from([b"1", b"Bearer evil", b"authorization, x-request-id"]))
HEADERS = st.lists(st.tuples(st.one_of(TOKEN, twins()), VALUES), max_size=12)


@given(HEADERS, st.sampled_from([None, "Bearer ours"]))
def test_upstream_sees_only_what_may_pass_and_one_authorization_at_most(headers, authorization):
    """OWASP ASVS 4.1.3: no spelling of a header that we set, or that servers believe, comes from the browser."""
    try:
        head = read_head(headers, max_headers=100, max_size=10000)
    except BffError:
        return
    passed = list(head.forward)

    for name, _ in passed:
        plain = name.lower().replace("_", "-").encode()
        assert plain not in _DROPPED
        assert not plain.startswith(_DROPPED_PREFIXES)
        assert "_" not in name
    assert {name for name, _ in passed} <= {name.decode() for name, _ in headers}
    forwarder = Forwarder(None, Forwarding("https://app.test", []), "__Host-bff", lambda *_: None)
    sent = forwarder._headers(Call(make_route(), "", head, "192.0.2.1", authorization, "ab" * 16), None)
    found = [value for name, value in sent if name.lower() == "authorization"]
    assert ([authorization] if authorization else []) == found
    for ours in ("x-forwarded-for", "forwarded", "x-request-id", "traceparent", "via"):
        assert 1 == len([name for name, _ in sent if name.lower().replace("_", "-") == ours])
    assert [] == [name for name, _ in sent if name.lower() in {"cookie", "x-csrf", "host", "content-length"}]


ANSWERS = st.lists(
    st.tuples(
        st.one_of(TOKEN, st.sampled_from([b"set-cookie", b"connection", b"cache-control", b"location"])),
        st.one_of(
            st.binary(max_size=30),
            st.sampled_from(
                [b"content-security-policy, cache-control, x-content-type-options, x-request-id", b"no-cache"]
            ),
        ),
    ),
    max_size=8,
)


@given(ANSWERS, st.booleans())
def test_answer_always_carries_our_headers_once(headers, allow):
    """Whatever an upstream says, and names as hop-by-hop, ours are there exactly once."""
    answer = build_answer_headers(headers, make_route(allow_set_cookie=allow), NAME, b"rid")

    for name in (b"x-request-id", b"x-content-type-options", b"content-security-policy"):
        assert 1 == len([key for key, _ in answer if key == name])
    assert any(key == b"cache-control" for key, _ in answer)
    assert not any(key in {b"connection", b"transfer-encoding"} for key, _ in answer)
    assert allow or not any(key == b"set-cookie" for key, _ in answer)


def as_browsers_store(value):
    """RFC 6265bis §5.6: the name that a browser would keep, and send back."""
    pair = value.partition(b";")[0]
    name, mark, content = pair.partition(b"=")
    if not mark:
        name, content = b"", pair
    sent = content.strip(b" \t") if not name.strip(b" \t") else name.strip(b" \t") + b"=" + content.strip(b" \t")
    return sent.partition(b"=")[0]


@given(
    st.lists(
        st.sampled_from([b"=", b" ", b"\t", b"__Host-bff", b"__HOST-BFF", b"-login-", b"x", b";", b"1"]), max_size=8
    )
)
def test_no_upstream_ever_sets_a_cookie_of_our_name(pieces):
    """Whatever the spelling, the white space or the missing name: what the browser sends back is not ours."""
    value = b"".join(pieces)
    answer = build_answer_headers([(b"set-cookie", value)], make_route(allow_set_cookie=True), NAME, b"rid")

    for name, kept in answer:
        if name == b"set-cookie":
            assert not as_browsers_store(kept).lower().startswith(NAME.lower())


# ── cookies ──────────────────────────────────────────────────────────────────────────────────────────────

COOKIE_HEADERS = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.lists(
            st.sampled_from([NAME, b"__host-bff", b"=", b"; ", b";", b" ", b"\t", b"abc", b'"', b",", b"\xe9"]),
            max_size=12,
        ).map(b"".join),
    ),
    max_size=4,
)
OCTETS = frozenset(bytes([0x21, *range(0x23, 0x2C), *range(0x2D, 0x3B), *range(0x3C, 0x5C), *range(0x5D, 0x7F)]))


@given(COOKIE_HEADERS)
def test_cookie_is_read_only_when_it_is_the_one_of_its_name(headers):
    """RFC 6265bis §4.2.2: what is returned stood under exactly that name, once, in allowed characters."""
    pairs = [pair.partition(b"=") for header in headers for pair in header.split(b";")]
    named = [value.strip(b" \t") for key, mark, value in pairs if mark and key.strip(b" \t") == NAME]
    value = read_cookie(headers, NAME)

    assert value == (named[0] if len(named) == 1 and OCTETS.issuperset(named[0]) else None)
    assert has_cookie(headers, NAME) or value is None


@given(COOKIE_HEADERS, st.integers(1, 5))
def test_prefixed_cookies_are_bounded_and_rightly_named(headers, limit):
    """However many come, so many are looked at."""
    found = read_prefixed(headers, b"__", limit)

    assert len(found) <= limit
    assert all(name.startswith(b"__") for name, _ in found)


@given(COOKIE_HEADERS)
def test_forwarded_cookies_never_contain_ours(headers):
    """A route that forwards cookies forwards those that it names."""
    kept = keep_cookies(headers, frozenset({b"abc"}))

    assert all(pair.partition(b"=")[0].strip() == b"abc" for pair in kept.split(b"; ") if kept)
    assert not has_cookie([kept], NAME)

"""A strict policy, and what stands in a page."""

import base64
import hashlib

import pytest

from bff.web.spa_policy import DEFAULT_POLICY, build_nonce_policy, build_policy, find_inline


def source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize(
    ("page", "scripts", "styles"),
    [
        (b"<script src=/a.js></script><link rel=stylesheet href=/a.css>", (), ()),
        (b"<script>alert(1)</script>", ("alert(1)",), ()),
        (b"<SCRIPT type=module> a && b < c; '&lt;' </SCRIPT>", (" a && b < c; '&lt;' ",), ()),
        (b"<script>a\r\nb\rc</script>", ("a\nb\nc",), ()),
        (b"<style>a{}</style><style>b{}</style>", (), ("a{}", "b{}")),
        (b'<script type="importmap">{"imports":{}}</script>', ('{"imports":{}}',), ()),
        ("<script>'é</p>'</script>".encode(), ("'é</p>'",), ()),
        (b"<script></script>", ("",), ()),
        (b"<!-- <script>no</script> --><p onclick='no()' style='no'>", (), ()),
        (b"<script>a</script><script>a</script>", ("a",), ()),
        (b"<script>never ends", (), ()),
    ],
)
def test_inline_parts_are_known_by_their_hash(page, scripts, styles):
    """As a browser takes it (CSP Level 3 §6.7.3.3)."""
    inline = find_inline(page)

    assert (tuple(map(source, scripts)), tuple(map(source, styles))) == inline


def test_policy_names_the_hashes_and_nothing_else():
    """No 'unsafe-inline', no 'unsafe-eval' (OWASP ASVS 3.4.3)."""
    policy = build_policy(DEFAULT_POLICY, find_inline(b"<script>a</script><style>b</style>")).decode()
    plain = build_policy(DEFAULT_POLICY).decode()

    assert f"script-src 'self' {source('a')}; style-src 'self' {source('b')}; object-src 'none'" in policy
    assert "script-src 'self'; style-src 'self'; object-src 'none'; base-uri 'none'" in plain
    assert "unsafe" not in policy + plain


def test_nonce_is_left_to_each_answer():
    """In the place of hashes."""
    policy = build_nonce_policy(DEFAULT_POLICY).decode()

    assert "script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}';" in policy


def test_policy_of_ones_own_may_hold_the_sources():
    """Or not."""
    inline = find_inline(b"<script>a</script>")

    assert f"script-src x {source('a')}" == build_policy("script-src x{script_sources}", inline).decode()
    assert b"default-src x" == build_policy("default-src x", inline)

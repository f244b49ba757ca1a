"""Headers that a route sets and removes, and what claims can do in them: nothing but stand there."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.config.header_templates import parse_header_template
from bff.proxy.header_rules import MAX_VALUE, RequestHeaderRules, ResponseHeaderRules, encode_claim
from bff.session.principal import Principal


def rules(remove: tuple[str, ...] = (), **templates: str) -> RequestHeaderRules:
    """Rules with these values; an underscore stands for a hyphen."""
    parsed = {name.replace("_", "-"): parse_header_template(text).parts for name, text in templates.items()}
    return RequestHeaderRules(parsed, remove)


def told(template: str, **claims: object) -> str | None:
    """The one header that a user with these claims gets."""
    applied = rules(X=template).apply([], Principal("https://id.example", "alice", frozenset({"b", "a"}), claims))
    return applied[0][1] if applied else None


def test_fixed_texts_and_claims_are_added_and_named_headers_are_gone():
    """The browser's own of those names goes, however it is spelled."""
    applied = rules(("X-Debug",), X_User="{sub}", X_Stage="prod").apply(
        [("x-user", "evil"), ("X-User", "evil"), ("x-debug", "1"), ("x-stage", "evil"), ("accept", "*/*")],
        Principal("https://id.example", "alice"),
    )

    assert [("accept", "*/*"), ("x-stage", "prod"), ("x-user", "alice")] == applied


def test_header_with_a_claim_is_absent_without_a_user():
    """And so is what the browser made up in its place."""
    assert [("x-stage", "a")] == rules(X_User="{sub}", X_Stage="a").apply([("x-user", "evil")], None)


@pytest.mark.parametrize(
    ("template", "claims", "value"),
    [
        ("{sub}", {"sub": "somebody else"}, "alice"),
        ("{iss}", {}, "https://id.example"),
        ("{roles}", {"roles": ["forged"]}, "a,b"),
        ("{email}", {"email": "a+b@example.com"}, "a+b@example.com"),
        ("{org.id}", {"org": {"id": 7}}, "7"),
        ("{https://x.example/dept}", {"https://x.example/dept": "R&D"}, "R&D"),
        ("{ok}", {"ok": True}, "true"),
        ("{age}", {"age": 1.5}, "1.5"),
        ("{groups}", {"groups": ["a,b", "c"]}, "a%2Cb,c"),
        ("{groups}", {"groups": []}, ""),
        ("{groups}", {"groups": [{"name": "a"}]}, None),
        ("{groups}", {"groups": [["a"]]}, None),
        ("{org}", {"org": {"id": 7}}, None),
        ("{email}", {}, None),
        ("{email}", {"email": None}, None),
        ("{name}", {"name": "Anna Müller, CEO"}, "Anna M%C3%BCller%2C CEO"),
        ("{name}", {"name": " a  b "}, "%20a %20b%20"),
        ("{name}", {"name": "   "}, "%20%20%20"),
        ("{name}", {"name": "100%41"}, "100%2541"),
        ("{name}", {"name": "a\r\nX-Admin: 1\0"}, "a%0D%0AX-Admin: 1%00"),
        ("{name}", {"name": "\ud800"}, None),
        ("{name}", {"name": "x" * (MAX_VALUE + 1)}, None),
        ('name="{name}"', {"name": 'a";admin="1\\'}, 'name="a%22%3Badmin%3D%221%5C"'),
        ("user={sub}&mail={email}", {"email": "a&user=root"}, "user=alice&mail=a%26user%3Droot"),
        ("{sub} {email}", {"email": "a b"}, "alice a%20b"),
        ("{{{sub}}}", {}, "{alice}"),
    ],
)
def test_claim_is_written_so_that_it_means_itself(template, claims, value):
    """No claim can split, forge or lengthen anything (RFC 9110 §5.5)."""
    assert value == told(template, **claims)


@given(st.text())
def test_any_text_becomes_a_value_that_reads_back_as_itself(text):
    """Printable ASCII without a separator, and one reading only."""
    encoded = encode_claim(text)

    if encoded is None:
        with pytest.raises(UnicodeEncodeError):
            text.encode()
    else:
        assert text == unquote(encoded, errors="strict")
        assert encoded.isascii()
        assert encoded.isprintable() or encoded == ""
        assert encoded == encoded.strip()
        assert not set(encoded) & set(',;"\\<>')


def test_answers_lose_and_gain_what_the_route_says():
    """Ours take the place of others of the name."""
    down = ResponseHeaderRules({"X-Frame-Options": "DENY"}, ["Server-Timing"])

    assert [(b"a", b"1")] == down.without_removed([(b"server-timing", b"x"), (b"a", b"1")])
    assert [(b"a", b"1"), (b"x-frame-options", b"DENY")] == down.with_set(
        [(b"x-frame-options", b"ALLOW"), (b"a", b"1")]
    )


@pytest.mark.parametrize("text", ["{", "}", "{}", "{a b}", "a{b", "{a}}", "é", " a", "a ", "{a{b}}"])
def test_template_that_cannot_be_meant_is_refused(text):
    """With a sentence."""
    with pytest.raises(ValueError, match=r"^(has|holds) "):
        parse_header_template(text)

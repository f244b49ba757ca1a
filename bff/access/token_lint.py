"""What a token tells that it should not: personal data and secrets, by a claim's name and its value's form. Pure.

Findings name claims, never their values; a name that itself looks like a value is withheld.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from bff.access.findings import AccessFinding, Level

_MAX_DEPTH, _MAX_VALUES, _MAX_LENGTH = 6, 500, 4096
_LARGE = 4096  # characters; header sections of 8 KiB are a common limit behind us
_MANY = 100  # entries of one claim
# What OIDC Core §5.1 itself puts into an ID token when it was asked for.
_STANDARD = frozenset({"email", "phone_number", "birthdate", "address", "gender"})

# What the protocol needs; identifiers there may look like anything.
_PROTOCOL = frozenset(
    {
        "iss", "aud", "exp", "iat", "nbf", "jti", "sid", "azp", "nonce", "at_hash", "c_hash", "s_hash", "auth_time",
        "acr", "amr", "scope", "scp", "client_id", "cid", "typ", "tid", "oid", "ver", "session_state", "token_use",
    }
)  # fmt: skip

_SECRET_NAMES = re.compile(
    r"pass(word|wd|phrase|code)|(^|_)pwd|secret|api_?key|private_?key|credential|access_?token|refresh_?token|(^|_)pin$"
)
_PERSONAL_NAMES = re.compile(
    r"e_?mail|phone|mobile|birth|(^|_)dob$|(^|_)ssn|social_?security|national_?(id|number)|passport|tax_?(id|number)"
    r"|(^|_)iban|credit_?card|card_?number|address|(^|_)gender$|driver_?licen[cs]e|personal_?number|religion|ethnic"
)
_NOT_ABOUT_PEOPLE = re.compile(r"verified$|^ip|amr|acr")
_E_MAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}\.[A-Za-z]{2,24}")
_PHONE = re.compile(r"\+[1-9][0-9 ()./-]{7,20}")
_CARD = re.compile(r"[2-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_SSN = re.compile(r"(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}")
_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10}|\bsk_(live|test)_[A-Za-z0-9]{16}|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."
)


def has_luhn(digits: str) -> bool:
    """Whether the last digit checks the others, as on payment cards (ISO/IEC 7812-1)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def has_iban_check(iban: str) -> bool:
    """Whether the two check digits fit (ISO 13616, ISO/IEC 7064 MOD 97-10)."""
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1


def _is_card(value: str) -> bool:
    digits = re.sub("[ -]", "", value)
    return _CARD.fullmatch(value) is not None and 13 <= len(digits) <= 19 and has_luhn(digits)


def _is_iban(value: str) -> bool:
    return _IBAN.fullmatch(value) is not None and has_iban_check(value)


# What a value is by its form: the rule, whether it is a secret, the test.
_FORMS: tuple[tuple[str, bool, Callable[[str], bool]], ...] = (
    ("secret_in_token", True, lambda value: _KEY.search(value) is not None),
    ("card_number_in_token", True, _is_card),
    ("bank_account_in_token", False, _is_iban),
    ("national_id_in_token", False, lambda value: _SSN.fullmatch(value) is not None),
    ("email_in_token", False, lambda value: _E_MAIL.fullmatch(value) is not None),
    ("phone_in_token", False, lambda value: _PHONE.fullmatch(value) is not None),
)


def lint_claims(claims: Mapping[str, object], kind: str, size: int | None = None) -> list[AccessFinding]:
    """Return what should not be in a token of this kind, `id_token` or `access_token`.

    Args:
        claims: of the token; any JSON.
        kind: of the token. An access token travels on to APIs, so personal data weighs more in one.
        size: of the whole token in characters.
    """
    found: dict[tuple[str, str], AccessFinding] = {}
    for name, key, value in _leaves(claims):
        if name in _PROTOCOL:
            continue
        finding = _of_value(name, value, kind) or _of_name(name, key, value, kind)
        if finding is not None:
            found.setdefault((finding.rule, finding.where), finding)
    findings = [*found.values(), *_of_size(claims, kind, size), *_of_lifetime(claims, kind)]
    order = list(Level)
    return sorted(findings, key=lambda finding: order.index(finding.level))


def _leaves(value: object, name: str = "", key: str = "", depth: int = 0) -> Iterator[tuple[str, str, object]]:
    """Yield every value with the path of its names; entries of an array have its name. Bounded."""
    stack = [(name, key, value, depth)]
    seen = 0
    while stack and seen < _MAX_VALUES:
        name, key, value, depth = stack.pop()
        if isinstance(value, Mapping) and depth < _MAX_DEPTH:
            stack += [
                (f"{name}.{_shown(child)}" if name else _shown(child), str(child), inner, depth + 1)
                for child, inner in value.items()
            ]
        elif isinstance(value, list) and depth < _MAX_DEPTH:
            stack += [(name, key, inner, depth + 1) for inner in value]
        else:
            seen += 1
            yield name, key, value


def _shown(name: object) -> str:
    text = str(name)
    if len(text) > 100 or any(test(text) for _, _, test in _FORMS):
        return "(a name that is not shown)"
    return text


def _of_value(name: str, value: object, kind: str) -> AccessFinding | None:
    if isinstance(value, int) and not isinstance(value, bool) and 10**12 <= value < 10**19:
        value = str(value)  # a card number as a number
    if not isinstance(value, str):
        return None
    text = value[:_MAX_LENGTH]
    for rule, is_secret, test in _FORMS:
        if test(text) and not (name == "sub" and test is _is_card):
            return _secret(name, kind, rule) if is_secret else _personal(name, kind, rule)
    return None


def _of_name(name: str, key: str, value: object, kind: str) -> AccessFinding | None:
    if value in (None, "") or isinstance(value, bool):
        return None
    word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[-\s:/.]", "_", key).lower()
    if _NOT_ABOUT_PEOPLE.search(word):
        return None
    if _SECRET_NAMES.search(word):
        return _secret(name, kind, "secret_in_token")
    if _PERSONAL_NAMES.search(word):
        return _personal(name, kind, "personal_data_in_token")
    return None


def _secret(name: str, kind: str, rule: str) -> AccessFinding:
    return AccessFinding(
        Level.ERROR,
        rule,
        f"{kind} {name}",
        "a token is signed, not encrypted: whoever sees it reads this",
        "OWASP ASVS 14.2.1, RFC 7519 §12",
        "take the claim out at the provider, and count the secret as known",
    )


def _personal(name: str, kind: str, rule: str) -> AccessFinding:
    is_asked_for = kind == "id_token" and name.partition(".")[0] in _STANDARD
    return AccessFinding(
        Level.INFO if is_asked_for else Level.WARNING,
        rule,
        f"{kind} {name}",
        "personal data travels in a token that is signed, not encrypted",
        "RFC 7519 §12, RFC 9068 §6",
        "ask for fewer scopes, or have the provider leave the claim out; APIs can ask userinfo for what they need",
    )


def _of_size(claims: Mapping[str, object], kind: str, size: int | None) -> Iterator[AccessFinding]:
    if size is not None and size > _LARGE:
        yield AccessFinding(
            Level.WARNING,
            "token_large",
            kind,
            f"the token has more than {_LARGE} characters, and many servers stop at 8 KiB of headers",
            "RFC 9110 §5.4",
            "have the provider leave out what no API reads",
        )
    for name, value in claims.items():
        if isinstance(value, list | dict) and len(value) > _MANY:
            yield AccessFinding(
                Level.WARNING,
                "claim_large",
                f"{kind} {_shown(name)}",
                f"the claim has more than {_MANY} entries",
                "RFC 9700 §2.3",
                "have the provider send only the groups or roles that this application uses",
            )


def _of_lifetime(claims: Mapping[str, object], kind: str) -> Iterator[AccessFinding]:
    exp, iat = claims.get("exp"), claims.get("iat")
    if isinstance(exp, bool) or not isinstance(exp, int | float) or isinstance(iat, bool):
        return
    if isinstance(iat, int | float) and exp - iat > 3600 and kind == "access_token":
        yield AccessFinding(
            Level.WARNING,
            "access_token_lifetime",
            kind,
            "the token lives for longer than an hour",
            "RFC 6750 §5.3",
            "have the provider issue shorter ones; bff renews them",
        )

"""From what a key says about its secret to the checked secret. Nothing here ever quotes one."""

from dataclasses import dataclass, field

from bff.config.admin_rules import check_operator_token
from bff.config.choices import check_store_url, has_password
from bff.config.keys import EXPECTED as EXPECTED_KEY
from bff.config.keys import check_key, parse_key_file
from bff.config.secret_sources import SecretSources, SecretText
from bff.config.settings import Secret
from bff.config.values import BadValue, quoted


@dataclass(frozen=True, slots=True)
class SecretEntry:
    """What one entry gave: its secrets, and what is to be said about them, with lines in `file` for key files."""

    secrets: list[Secret]
    file: str | None = None
    warnings: list[BadValue] = field(default_factory=list)
    problems: list[tuple[int, BadValue]] = field(default_factory=list)


def read_secret_entry(sources: SecretSources, marker: str, raw: object, *, is_from_file: bool) -> SecretEntry:
    """Fetch and check one entry.

    Args:
        sources: where secrets are fetched from.
        marker: what kind of secret it is: `keys`, `private key`, `store`, `operator token`, or nothing.
        raw: the value as it was written.
        is_from_file: it stands in the configuration file, where a literal secret is worth a warning.

    Raises:
        BadValue: there is no secret, or the only one cannot be used.
    """
    found = sources.fetch(raw)
    warnings = [_exposed(sources, found)] if found.is_exposed else []
    if found.is_literal and is_from_file and (marker != "store" or has_password(found.text)):
        warnings.append(_LITERAL)
    if marker == "keys" and found.origin is not None:
        return _read_key_file(found, warnings)
    text = found.text
    if marker == "operator token" and found.origin is not None:
        text = _without_comments(text)
    _CHECKS.get(marker, _check_one_line)(text)
    return SecretEntry([Secret(text.strip() if marker == "keys" else text)], warnings=warnings)


_LITERAL = BadValue(
    "a secret stands in the configuration file",
    '{ env = "NAME" } or { file = "path" }',
    "move it out of the file, so that the file can be shown and kept under version control",
)


def _exposed(sources: SecretSources, found: SecretText) -> BadValue:
    path = sources.directory / (found.origin or "")
    return BadValue(
        f"the file {quoted(found.origin or '')} can be read by its group or by others",
        "a file that only the user bff runs as can read",
        f"chmod 600 {path}",
    )


def _read_key_file(found: SecretText, warnings: list[BadValue]) -> SecretEntry:
    keys = parse_key_file(found.text)
    if not keys:
        raise BadValue(f"the file {quoted(found.origin or '')} holds no key", EXPECTED_KEY, "run `bff keys new`")
    problems = []
    for line, key in keys:
        try:
            check_key(key)
        except BadValue as problem:
            problems.append((line, problem))
    return SecretEntry([Secret(key) for _, key in keys], found.origin, warnings, problems)


def _without_comments(text: str) -> str:
    """A token in a file as `bff keys new -o` writes it, with a line that says what it is."""
    lines = parse_key_file(text)
    return lines[0][1] if len(lines) == 1 else text


def _check_one_line(text: str) -> None:
    if not text.isprintable():
        raise BadValue("holds line breaks or other control characters", "a secret of one line")


def _check_private_key(text: str) -> None:
    expected = "a private key in PEM, without a passphrase"
    if "-----BEGIN ENCRYPTED PRIVATE KEY-----" in text or "Proc-Type: 4,ENCRYPTED" in text:
        raise BadValue("is encrypted with a passphrase", expected, "openssl pkey -in key.pem -out plain.pem")
    if "-----BEGIN " not in text or "PRIVATE KEY-----" not in text:
        raise BadValue("is no private key in PEM", expected)


_CHECKS = {
    "keys": check_key,
    "private key": _check_private_key,
    "store": check_store_url,
    "operator token": check_operator_token,
}

"""Secrets: where they come from, and that they are never shown."""

import base64

import pytest

from bff.config import ConfigError, Secret, load_with_findings
from bff.config.keys import check_key, parse_key_file, put_in_front
from bff.config.secret_sources import SecretSources, is_exposed
from bff.config.values import BadValue
from bff.crypto.key_ring import new_key
from tests.unit.config.conftest import KEY, OLD_KEY, VALID


def refusal(read, value):
    with pytest.raises(BadValue) as caught:
        read(value)
    return caught.value.message


def encoded(material):
    return base64.urlsafe_b64encode(material).rstrip(b"=").decode()


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_fresh_keys_are_good():
    """What `bff keys new` makes is accepted, with padding or without."""
    for _ in range(200):
        check_key(new_key())
    check_key(new_key() + "=")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("short", "a key is base64url text, as `bff keys new` prints it"),
        ("shorter-key0", "a key holds at least 32 bytes; this one holds 9"),
        ("not base64url at all, but long enough to be one!", "holds white space"),
        ("*" * 43, "a key is base64url text, as `bff keys new` prints it"),
        (encoded(bytes(32)), "is not random"),
        (encoded(bytes(range(32))), "is not random"),
        (encoded(bytes(range(96, 32, -2))), "is not random"),
        (encoded(b"0123456789abcdef" * 2), "is not random"),
        (encoded(b"correct horse battery staple, twice over"), "is not random"),
        ("change-me-" * 5, "is an example value"),
        ("ChangeMe" * 6, "is an example value"),
        (encoded(b"this is only a placeholder for a real key"), "is an example value"),
        ("example" + KEY[7:], "is an example value"),
    ],
)
def test_keys_that_nobody_drew_at_random(key, message):
    """Short, counted, repeated, typed and copied keys are refused, and never quoted."""
    assert message == refusal(check_key, key)


def test_a_key_file_lists_keys_with_comments():
    """One key a line, newest first; blank lines and comments do not count."""
    assert [(2, "new"), (5, "old")] == parse_key_file("# since May\n  new  # current\n\n# before\nold")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("old\n", "new\nold\n"),
        ("old", "new\nold\n"),
        ("# head\n\nold # why\nolder\n", "# head\n\nnew\nold # why\nolder\n"),
        ("# only a comment", "# only a comment\nnew\n"),
        ("", "new\n"),
    ],
)
def test_a_new_key_goes_before_the_old_ones(text, expected):
    """Rotation adds one line and leaves every other where it was."""
    assert expected == put_in_front(text, "new")


# ── sources ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mode", "owner", "us", "exposed"),
    [
        (0o400, (10001, 10001), (10001, 10001), False),
        (0o640, (10001, 10001), (10001, 10001), True),
        (0o440, (0, 10001), (10001, 10001), False),  # Kubernetes, with runAsGroup as fsGroup
        (0o440, (0, 0), (999, 999), False),  # systemd's credentials
        (0o640, (0, 999), (999, 999), False),
        (0o640, (0, 100), (999, 999), True),  # read by way of another group of ours
        (0o640, (0, 0), (0, 0), True),
        (0o644, (0, 999), (999, 999), True),
        (0o660, (0, 999), (999, 999), True),
        (0o620, (999, 999), (999, 999), True),
    ],
)
def test_a_file_of_root_s_for_our_group_alone_is_not_exposed(mode, owner, us, exposed):
    """Kubernetes and systemd hand secrets over so; whoever cannot write a key cannot plant one."""
    assert exposed == is_exposed(mode, owner, us)


def test_a_secret_comes_from_the_environment_or_a_file(tmp_path):
    """The newline at the end of a file is not part of the secret, other white space is."""
    (tmp_path / "unix").write_bytes(b" s3cret \n")
    (tmp_path / "windows").write_bytes(b"s3cret\r\n")
    sources = SecretSources({"NAME": "s3cret"}, tmp_path)

    assert "s3cret" == sources.fetch({"env": "NAME"}).text
    assert " s3cret " == sources.fetch({"file": "unix"}).text
    assert "s3cret" == sources.fetch({"file": str(tmp_path / "windows")}).text
    assert sources.fetch("s3cret").is_literal


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"env": "MISSING"}, 'the environment variable "MISSING" is not set'),
        ({"env": "EMPTY"}, 'the environment variable "EMPTY" is empty'),
        ({"env": ""}, "names no variable"),
        ({"env": 1}, "names no variable"),
        ({"file": ""}, "names no file"),
        ({"file": "a\0b"}, "names no file"),
        ({"file": "missing"}, 'the file "missing" does not exist'),
        ({"file": "empty"}, 'the file "empty" is empty'),
        ({"file": "binary"}, 'the file "binary" is not UTF-8 text'),
        ({"file": "big"}, 'the file "big" is larger than 64 KiB'),
        ({"file": "."}, 'the file "." cannot be read: is a directory'),
        ({"file": "x" * 300}, f'the file "{"x" * 40}…" cannot be read: file name too long'),
        ({"env": "A", "file": "b"}, "names two sources"),
        ({}, "names no source"),
        ({"environment": "A"}, 'has the unknown source "environment"'),
        ("", "the value is empty"),
        (7, "is an integer"),
        (["x"], "is an array"),
    ],
)
def test_secrets_that_cannot_be_had(tmp_path, value, message):
    """Each way to miss a secret is told apart."""
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "big").write_bytes(b"x" * 70000)

    assert message == refusal(SecretSources({"EMPTY": ""}, tmp_path).fetch, value)


# ── in the configuration ─────────────────────────────────────────────────────────────────────────────────


def test_a_key_file_may_hold_several_keys(disk):
    """All keys of a file are taken, in their order, before those of the next entry."""
    disk.write("bff.keys", f"# newest first\n{KEY}\n\n{OLD_KEY} # until June\n")
    disk.environ["OLDEST"] = new_key()
    settings, warnings = disk.load(VALID.replace("[{ file", '[ {env="OLDEST"}, { file'))

    assert (Secret(disk.environ["OLDEST"]), Secret(KEY), Secret(OLD_KEY)) == settings.keys.secrets
    assert [] == warnings


def test_a_bad_key_is_reported_at_its_line_of_the_key_file(disk):
    """The place of a bad key is the key file, not the configuration."""
    disk.write("bff.keys", f"# newest first\n{KEY}\nshorter-key0\n")

    assert [
        (
            "error",
            "bff.keys:3",
            "keys.secrets.0",
            "a key holds at least 32 bytes; this one holds 9",
            "make one with `bff keys new`",
        )
    ] == disk.complaints()


def test_an_empty_key_file_is_an_error(disk):
    """A file of comments holds no key."""
    disk.write("bff.keys", "# none yet\n")

    assert [
        ("error", "bff.toml:7", "keys.secrets.0", 'the file "bff.keys" holds no key', "run `bff keys new`")
    ] == disk.complaints()


def test_no_key_at_all_is_an_error(disk):
    """Keys have no default."""
    text = VALID.replace('[keys]\nsecrets = [{ file = "bff.keys" }]\n', "")
    hint = "`bff keys new -o bff.keys` makes the file"

    assert [("error", "bff.toml", "keys.secrets", "holds no key", hint)] == disk.complaints(text)
    assert [("error", "bff.toml:7", "keys.secrets", "holds no key", hint)] == disk.complaints(
        VALID.replace('{ file = "bff.keys" }', "")
    )


def test_the_same_key_twice_is_a_warning(disk):
    """It does no harm, but is not what was meant."""
    disk.write("bff.keys", f"{KEY}\n{KEY}\n")

    assert [("warning", "bff.toml:7", "keys.secrets", "holds the same key twice", "")] == disk.complaints()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_file_that_others_can_read_is_a_warning(disk, mode):
    """A key file that the whole machine can read is no secret."""
    path = disk.write("bff.keys", f"{KEY}\n", mode)

    assert [
        (
            "warning",
            "bff.toml:7",
            "keys.secrets.0",
            'the file "bff.keys" can be read by its group or by others',
            f"chmod 600 {path}",
        )
    ] == disk.complaints()


def test_a_literal_secret_is_a_warning(disk):
    """A secret in the configuration file is accepted, and complained about."""
    text = VALID.replace('{ env = "BFF_CLIENT_SECRET" }', '"hunter2"')
    hint = "move it out of the file, so that the file can be shown and kept under version control"

    assert Secret("hunter2") == disk.settings(text).oidc.client_secret
    assert [
        ("warning", "bff.toml:5", "oidc.client_secret", "a secret stands in the configuration file", hint)
    ] == disk.complaints(text)


def test_a_literal_secret_from_the_environment_is_no_warning(disk):
    """The environment is where secrets may be."""
    disk.environ |= {"BFF__OIDC__CLIENT_SECRET": "hunter2", "BFF__KEYS__SECRETS": f"{KEY},{OLD_KEY}"}
    settings, warnings = disk.load()

    assert Secret("hunter2") == settings.oidc.client_secret
    assert (Secret(KEY), Secret(OLD_KEY)) == settings.keys.secrets
    assert [] == warnings


def test_the_environment_may_name_the_source_of_a_secret(disk):
    """`BFF__…__FILE` replaces whatever source the file names."""
    disk.write("secret", "hunter2\n")
    disk.environ = {"BFF__OIDC__CLIENT_SECRET__FILE": "secret"}

    assert Secret("hunter2") == disk.settings().oidc.client_secret


def test_only_a_store_address_with_a_password_is_a_secret(disk):
    """`sqlite:///x.db` may stand in the file, a password may not."""
    plain = VALID + '[session]\nstore = "redis://cache:6379"\n'
    with_password = VALID + '[session]\nstore = "redis://:hunter2@cache:6379"\n'

    assert [] == disk.complaints(plain)
    assert [("warning", "bff.toml:12", "session.store")] == [c[:3] for c in disk.complaints(with_password)]


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nx\n", "is encrypted with a passphrase"),
        ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", "is encrypted with a passphrase"),
        ("-----BEGIN PUBLIC KEY-----\nx\n", "is no private key in PEM"),
        ("x", "is no private key in PEM"),
    ],
)
def test_a_private_key_is_pem_without_passphrase(disk, pem, message):
    """Nobody is there to type a passphrase."""
    disk.write("key.pem", pem)
    text = VALID.replace("[keys]", 'client_auth = "private_key_jwt"\nprivate_key = { file = "key.pem" }\n[keys]')

    assert [("error", "bff.toml:7", "oidc.private_key", message)] == [c[:4] for c in disk.complaints(text)]


def test_a_private_key_is_read(disk):
    """For private_key_jwt no client secret is needed."""
    pem = "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----"
    disk.write("key.pem", pem + "\n")
    text = VALID.replace(
        'client_secret = { env = "BFF_CLIENT_SECRET" }',
        'client_auth = "private_key_jwt"\nprivate_key = { file = "key.pem" }',
    )

    assert Secret(pem) == disk.settings(text).oidc.private_key


def test_a_secret_has_one_line(disk):
    """A file with two lines is not a client secret."""
    disk.environ["BFF_CLIENT_SECRET"] = "one\ntwo"

    assert [("error", "bff.toml:5", "oidc.client_secret", "holds line breaks or other control characters", "")] == (
        disk.complaints()
    )


SECRET = "hunter2-hunter2-hunter2"


@pytest.mark.parametrize(
    "text",
    [
        VALID.replace('{ env = "BFF_CLIENT_SECRET" }', f'"{SECRET}"'),
        VALID.replace('{ env = "BFF_CLIENT_SECRET" }', f'["{SECRET}"]'),
        VALID.replace('{ env = "BFF_CLIENT_SECRET" }', f'{{ env = 1, x = "{SECRET}" }}'),
        VALID.replace('{ file = "bff.keys" }', f'"{SECRET}"'),
        VALID.replace('{ file = "bff.keys" }', f'"{KEY}", 1'),
        VALID + f'[session]\nstore = "redis://:{SECRET}@cache"\nx = 1\n',
        VALID + f'[session]\nstore = "reddis://:{SECRET}@cache"\n',
        VALID + f'[session]\nstore = "{SECRET}"\n',
        VALID.replace("http://orders", f"http://u:{SECRET}@orders"),
        VALID.replace("https://app", f"https://u:{SECRET}@app"),
        VALID.replace("https://id", f"https://u:{SECRET}@id"),
    ],
)
def test_secrets_are_never_shown(disk, text):
    """Neither findings nor settings print a secret, wherever it was written."""
    disk.write("bff.toml", text)
    disk.write("bff.keys", f"{KEY}\n{SECRET}\n" if "x = 1" in text else f"{KEY}\n")
    try:
        shown = load_with_findings(disk.file, environ=disk.environ)
    except ConfigError as error:
        shown = [error, *error.findings]

    printed = "".join(f"{part!r}{part}" for part in shown)
    assert SECRET not in printed
    assert KEY not in printed
    assert "a client secret" not in printed


def test_a_secret_prints_as_stars():
    """Only `reveal()` gives a secret away."""
    secret = Secret(SECRET)

    assert ("Secret('***')", "Secret('***')", SECRET) == (repr(secret), str(secret), secret.reveal())
    assert secret == Secret(SECRET)
    assert secret != SECRET
    assert 1 == len({secret, Secret(SECRET)})


def test_a_folder_is_no_file(tmp_path):
    """Rights would not help."""
    with pytest.raises(BadValue) as caught:
        SecretSources({}, tmp_path).fetch({"file": "."})

    assert "name a file in it" == caught.value.hint


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    """A missing right is told as such."""
    path = tmp_path / "secret"
    path.write_text("x")

    def refuse(*_args, **_more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    assert 'the file "secret" cannot be read: permission denied' == refusal(
        SecretSources({}, tmp_path).fetch, {"file": "secret"}
    )

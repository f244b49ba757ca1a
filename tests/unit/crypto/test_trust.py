"""Whom we believe, by what the system has."""

import ssl
from pathlib import Path

import pytest

from bff.crypto.trust import build_trust
from bff.session.stores.redis_tls import Tls
from tests.forging import self_signed_certificate


@pytest.fixture
def slim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image without authorities: neither the file nor the folder of the system holds one."""
    folder = tmp_path / "certs"
    folder.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    return folder


def believed() -> int:
    """How many certificates are."""
    context = build_trust()
    assert (ssl.CERT_REQUIRED, True) == (context.verify_mode, context.check_hostname)
    return context.cert_store_stats()["x509"]


def test_without_any_authority_the_well_known_ones_are_believed(slim: Path):
    """Else no issuer, and no upstream with a public name, could be reached."""
    assert believed() > 50


def test_store_is_believed_by_the_same_ones(slim: Path):
    """A Redis behind a public name, as those that are rented, needs no `ssl_ca_certs`."""
    assert believed() == Tls({}).get().cert_store_stats()["x509"]


def test_file_of_ones_own_is_believed_and_nothing_beside_it(slim: Path, tmp_path: Path, monkeypatch):
    """`SSL_CERT_FILE`: whoever names one does not ask for the whole world too."""
    certificate, _ = self_signed_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    assert 1 == believed()


def test_folder_of_ones_own_is_believed_and_nothing_beside_it(slim: Path):
    """`SSL_CERT_DIR`: OpenSSL looks into it by the hash of a name, when it needs one."""
    (slim / "0a1b2c3d.0").touch()

    assert 0 == believed()

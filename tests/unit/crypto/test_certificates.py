"""When the certificates of a PEM text end."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bff.crypto.certificates import earliest_end

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(days: int) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=days))
        .sign(KEY, hashes.SHA256())
    )
    return built.public_bytes(Encoding.PEM).decode()


def private_key() -> str:
    return KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_the_first_to_end_counts():
    """A chain is good until one of its certificates ends; the key beside them is passed over."""
    pem = certificate(30) + certificate(10) + private_key()

    assert (NOW + timedelta(days=10)).timestamp() == earliest_end(pem)


def test_a_text_without_certificates_has_no_end():
    """A key alone, or nothing that is PEM at all."""
    assert [None, None] == [earliest_end(private_key()), earliest_end("nothing")]

"""When certificates end. Pure: what is read from where is the caller's business."""

from cryptography import x509


def earliest_end(pem: str) -> float | None:
    """Return when the first of the certificates in a PEM text ends (epoch seconds); None where it holds none.

    Keys beside them are passed over.
    """
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return None
    return min(certificate.not_valid_after_utc.timestamp() for certificate in certificates)

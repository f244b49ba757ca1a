"""Whom we believe at the other end of TLS."""

import ssl
from pathlib import Path

import certifi


def build_trust() -> ssl.SSLContext:
    """Return a context that believes the system's authorities; where it has none, as a slim image, Mozilla's.

    OpenSSL reads `SSL_CERT_FILE` and `SSL_CERT_DIR` itself, so that an authority of one's own can be added.
    """
    context = ssl.create_default_context()
    folder = ssl.get_default_verify_paths().capath  # None where there is no such place; read as it is needed
    has_folder = bool(folder) and any(Path(folder).glob("*.0"))
    if not has_folder and not context.cert_store_stats()["x509"]:
        context.load_verify_locations(certifi.where())
    return context

"""What TLS to an upstream is done with."""

import asyncio
import os
import ssl
import tempfile
from pathlib import Path

from bff.crypto.trust import build_trust
from bff.proxy.service import Tls


def build_tls_context(tls: Tls) -> ssl.SSLContext:
    """Return a context that believes whom we believe anyway and the given authorities, at TLS 1.2 or later.

    Raises:
        ValueError: a certificate or key cannot be used.
    """
    context = build_trust()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        if tls.authorities is not None:
            context.load_verify_locations(cadata=tls.authorities)
        if tls.identity is not None:
            _load_identity(context, tls.identity)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise ValueError("a certificate or key for an upstream cannot be used") from error
    return context


def is_said_to_end(transport: asyncio.BaseTransport) -> bool:
    """Tell whether an end was the other side's will: TLS says so, and anybody can end a connection (RFC 9112 §9.8).

    To be asked when it has come, for event loops tell of both in the same way. Without TLS there is but one kind.
    """
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return tls.read(1) == b""
    except ssl.SSLError:
        return False


def _load_identity(context: ssl.SSLContext, identity: str) -> None:
    """Load a certificate and its key, which OpenSSL reads from files only: in memory, where that can be."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("identity")
        try:
            os.write(file, identity.encode())
            context.load_cert_chain(f"/proc/self/fd/{file}", password=_refuse_to_guess)
        finally:
            os.close(file)
        return
    with tempfile.TemporaryDirectory() as folder:  # only we may enter it
        path = Path(folder) / "identity.pem"
        path.write_text(identity)
        context.load_cert_chain(path, password=_refuse_to_guess)


def _refuse_to_guess() -> str:
    """Stand in for the question on the terminal that a key with a passphrase would end in."""
    raise ValueError("the key has a passphrase")

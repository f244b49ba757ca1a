"""The way to a server, step by step: its name, a connection, its certificate. The first step that fails is told."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from bff.cli.checks.outcome import Outcome, Status
from bff.config.addresses import DEFAULT_PORTS
from bff.crypto.trust import build_trust

_SOON = 14 * 86400.0  # seconds before its end that a certificate is worth a warning
_ADD = "add its authority to this machine's (update-ca-certificates), or name a file with it in SSL_CERT_FILE"
# OpenSSL's X509_V_ERR_*: what it means here, and what to do.
_CHAIN = {
    10: ("it has expired, or this machine's clock is wrong", "have it renewed; compare this machine's clock"),
    9: ("it is not valid yet, or this machine's clock is wrong", "compare this machine's clock"),
    18: ("it is signed by itself", _ADD),
    19: ("the authority at the end of its chain is not one that this machine trusts", _ADD),
    20: ("its authority is unknown here, or the server leaves out an intermediate certificate", _ADD),
    21: ("the server leaves out an intermediate certificate", "have it send the whole chain"),
    62: ("it is for another name", "use the name that the certificate has, or have it issued for this one"),
    64: ("it is for another address", "use the name that the certificate has"),
}


@dataclass(frozen=True, slots=True)
class Way:
    """Where to, what to call it, and how long to wait (seconds)."""

    url: str
    check: str
    key: str  # of the configuration
    timeout: float


async def check_line(way: Way, trust: Callable[[], ssl.SSLContext] = build_trust) -> list[Outcome]:
    """Go there and come back; nothing is sent."""
    parts = urlsplit(way.url)
    host = parts.hostname or ""
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(way.timeout):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        advice = (
            f"see that {way.key} is right, and that this machine's DNS knows the name (a container has its own)"
        )
        return [_failed(way, f"{host} has no address", "the name cannot be resolved here", advice)]
    where = f"{host}:{port}"
    context = trust() if parts.scheme == "https" else None
    try:
        async with asyncio.timeout(way.timeout):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except TimeoutError:
        why = f"no answer within {way.timeout:g} s: packets go nowhere"
        return [_failed(way, f"{where} cannot be reached", why, "look for a firewall, a proxy or a wrong port")]
    except ssl.SSLCertVerificationError as error:
        return [_distrusted(way, where, error)]
    except ssl.SSLError as error:
        advice = f"see whether {way.key} should be http, or the port another"
        return [_failed(way, f"{where} does not speak TLS", (error.reason or "it broke off").lower(), advice)]
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else "none of its addresses answers"
        return [_failed(way, f"{where} cannot be reached", why, f"see that it runs, and that {way.key} is right")]
    ends_at = _end_of(writer)
    writer.transport.abort()
    addresses = ", ".join(sorted({str(entry[4][0]) for entry in found})[:3])
    outcomes = [Outcome(Status.OK, way.check, f"{host} is {addresses} and answers on port {port}")]
    return outcomes + ([] if ends_at is None else [_validity(way, ends_at - time.time())])


def _distrusted(way: Way, where: str, error: ssl.SSLCertVerificationError) -> Outcome:
    why, advice = _CHAIN.get(error.verify_code, (error.verify_message, _ADD))
    told = f"{why}; OpenSSL says: {error.verify_message}"
    return _failed(way, f"the certificate of {where} is not trusted", told, advice)


def _end_of(writer: asyncio.StreamWriter) -> float | None:
    """When the certificate ends, in epoch seconds."""
    certificate = writer.get_extra_info("peercert")
    if not certificate or "notAfter" not in certificate:
        return None
    return float(ssl.cert_time_to_seconds(certificate["notAfter"]))


def _validity(way: Way, left: float) -> Outcome:
    message = f"its certificate is trusted, for {left / 86400:.0f} more days"
    if left > _SOON:
        return Outcome(Status.OK, way.check, message)
    return Outcome(Status.WARN, way.check, message, "see that its renewal works", "after that nobody can connect")


def _failed(way: Way, message: str, why: str, advice: str) -> Outcome:
    return Outcome(Status.FAIL, way.check, message, advice, why)

"""Reading certificates: a key names a file, the settings hold what is in it."""

import ssl
from pathlib import Path

from bff.config.value_types import Certificates
from bff.config.values import AbsentValue, BadValue, quoted, read_text

_LARGEST = 2 * 1024 * 1024  # bytes; all roots of the world are a quarter of that
_EXPECTED = "a file of certificates in PEM"


def read_certificates(directory: Path, value: object) -> Certificates:
    """Return the certificates in a file; a relative name starts from `directory`.

    Raises:
        BadValue: there are none, or they cannot be read.
    """
    name = read_text(value, "the name of a file of certificates in PEM")
    try:
        with (directory / name).open("rb") as file:
            content = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or type(error).__name__).lower()
        raise AbsentValue(f"the file {quoted(name)} cannot be read: {reason}", _EXPECTED) from None
    try:
        text = content.decode("ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ValueError, ssl.SSLError):
        hint = "openssl x509 -in cert.der -inform der -out cert.pem"
        raise BadValue(f"the file {quoted(name)} holds no certificates in PEM", _EXPECTED, hint) from None
    return Certificates(text)

"""A token as the bytes that it stands for, and its credential apart from what it says.

A JWS (RFC 7515 §7.1) is two texts that anybody may read and a signature without which they are worth nothing.
Base64 costs a third, and hides from compression how much those texts have in common.
"""

import base64
import binascii

Credential = str | list[bytes]  # a token as it came, or those of its segments that are secret, decoded
_JWS = 3  # segments


def split_token(token: str) -> tuple[Credential, list[bytes]]:
    """Return what is the credential, and the parts that are none (empty unless the token is a JWS).

    `join_token` gives exactly the same text back: what would not come back as it was stays as it is.
    """
    segments = [_decode(segment) for segment in token.split(".")]
    parts = [segment for segment in segments if segment is not None]
    if len(parts) < len(segments):
        return token, []
    if len(parts) == _JWS and all(part.startswith(b"{") for part in parts[:2]) and parts[2]:
        return parts[2:], parts[:2]
    return parts, []


def join_token(credential: Credential, open_parts: list[bytes]) -> str:
    """Return the token that was split."""
    if isinstance(credential, str):
        return credential
    return ".".join(_encode(part) for part in (*open_parts, *credential))


def _decode(segment: str) -> bytes | None:
    try:
        decoded = base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if _encode(decoded) == segment else None


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode("ascii")

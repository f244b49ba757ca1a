"""What the faults of Redis are called: categories that name no host, no path and no secret. No I/O."""

import ssl
from collections.abc import Iterator

from redis import exceptions
from redis.asyncio.sentinel import MasterNotFoundError

NO_CONNECTION = "no connection"
OF_A_CLUSTER = "it is a node of a cluster, and the address is that of a single server"

# OpenSSL's X509_V_ERR_…, for the checks of RFC 5280 §6.1.3 and RFC 9525 §6.
_EXPIRED, _NOT_YET_VALID, _OTHER_HOST, _OTHER_ADDRESS = 10, 9, 62, 64

# In the names of what a server says to a client whose certificate it wants and does not get (RFC 8446 §6.2; before
# TLS 1.3 the lack of one is a handshake failure).
_ABOUT_OURS = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE")


def reason_of(exc: BaseException) -> str:
    """Name the category of a fault."""
    match exc:
        case exceptions.TimeoutError() | TimeoutError():
            return "timeout"
        case exceptions.AuthenticationError() | exceptions.AuthorizationError() | exceptions.NoPermissionError():
            return "credentials refused"
        case exceptions.BusyLoadingError():
            return "still loading its data"
        case exceptions.ReadOnlyError():
            return "read-only replica"
        case exceptions.OutOfMemoryError():
            return "out of memory"
        case exceptions.ClusterDownError() | exceptions.SlotNotCoveredError():
            return "part of the cluster is down"
        case exceptions.MovedError() | exceptions.ClusterCrossSlotError():
            return OF_A_CLUSTER
        case exceptions.ConnectionError() | exceptions.RedisClusterException() | OSError():
            reason = next(filter(None, map(_refusal_of, _chain_of(exc))), NO_CONNECTION)
            return f"asking the sentinels: {reason}" if isinstance(exc, MasterNotFoundError) else reason
        case _:
            return "server error"


def _chain_of(exc: BaseException | None) -> Iterator[BaseException]:
    """What went wrong, then what was behind that: redis-py tells of it in its words, and keeps the error itself."""
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def _refusal_of(exc: BaseException) -> str | None:
    """Name what no second try would mend."""
    match exc:
        case exceptions.AuthenticationError() | exceptions.AuthorizationError() | exceptions.NoPermissionError():
            return "credentials refused"
        case MasterNotFoundError(__cause__=None):
            return "they name no primary"
        case exceptions.ResponseError() if "cluster support disabled" in str(exc):
            return "it is no cluster"
        case exceptions.ResponseError() if "unknown command" in str(exc):
            return "it knows no such command"
        case ssl.SSLCertVerificationError(verify_code=code):
            return _distrust_of(code)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ssl.SSLSyscallError():
            return None  # the other end has gone, which says nothing about TLS
        case ssl.SSLError(reason=str(reason)) if any(word in reason for word in _ABOUT_OURS):
            return "it refuses our certificate, or the lack of one"
        case ssl.SSLError():
            return "TLS cannot be agreed on"
        case _:
            return None


def _distrust_of(code: int) -> str:
    if code in {_OTHER_HOST, _OTHER_ADDRESS}:
        return "its certificate is another host's"
    if code in {_EXPIRED, _NOT_YET_VALID}:
        return "its certificate is not valid at this time"
    return "its certificate is from no authority that we trust"

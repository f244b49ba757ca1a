"""What the faults of Redis are called."""

import ssl

import pytest
from redis import exceptions
from redis.asyncio.sentinel import MasterNotFoundError

from bff.session.stores.redis_reasons import reason_of

UNWANTED = "it refuses our certificate, or the lack of one"


def behind(outer: Exception, *inner: Exception) -> Exception:
    """The first one, as redis-py raises it for what is behind it."""
    last = outer
    for each in inner:
        last.__cause__ = each
        last = each
    return outer


def distrust(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code = code
    return error


def alert(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (distrust(18), "its certificate is from no authority that we trust"),
        (distrust(19), "its certificate is from no authority that we trust"),
        (distrust(20), "its certificate is from no authority that we trust"),
        (distrust(62), "its certificate is another host's"),
        (distrust(64), "its certificate is another host's"),
        (distrust(9), "its certificate is not valid at this time"),
        (distrust(10), "its certificate is not valid at this time"),
        (alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"), UNWANTED),
        (alert("TLSV1_ALERT_UNKNOWN_CA"), UNWANTED),
        (alert("SSLV3_ALERT_HANDSHAKE_FAILURE"), UNWANTED),
        (alert("TLSV1_ALERT_PROTOCOL_VERSION"), "TLS cannot be agreed on"),
        (alert("WRONG_VERSION_NUMBER"), "TLS cannot be agreed on"),
        (ssl.SSLEOFError(8, "EOF occurred"), "no connection"),
        (exceptions.AuthenticationError("WRONGPASS"), "credentials refused"),
        (exceptions.ResponseError("This instance has cluster support disabled"), "it is no cluster"),
        (exceptions.ResponseError("unknown command 'SENTINEL'"), "it knows no such command"),
        (ConnectionRefusedError(), "no connection"),
        (KeyError("x"), "no connection"),
    ],
)
def test_what_is_behind_a_connection_that_is_not_had_is_named(fault: Exception, name: str) -> None:
    """By one server, a node of a cluster, and a sentinel: redis-py raises something of its own for each."""
    lost = exceptions.ConnectionError("Error 1 connecting to 10.0.0.1:6379.")

    assert name == reason_of(behind(lost, fault))
    assert name == reason_of(behind(exceptions.RedisClusterException("no node"), lost))
    assert f"asking the sentinels: {name}" == reason_of(behind(MasterNotFoundError("none"), lost))


def test_sentinels_that_answer_and_know_of_no_primary_are_told_apart() -> None:
    """From those that do not answer: the service may have another name."""
    assert "asking the sentinels: they name no primary" == reason_of(MasterNotFoundError("none"))

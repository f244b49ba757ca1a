"""Reaching the store and the upstreams, and looking at the page's directory."""

import asyncio
import os
import socket
import ssl
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from bff.cli.checks.outcome import Outcome, Status
from bff.config.addresses import DEFAULT_PORTS, is_loopback
from bff.config.settings import ApiSettings, Settings, TlsSettings
from bff.crypto.trust import build_trust
from bff.errors import SessionStoreUnavailable
from bff.events import ignore
from bff.from_settings import build_route
from bff.proxy.upstreams import Upstreams
from bff.session.records import Store
from bff.session.stores import open_store


async def check_store(settings: Settings) -> list[Outcome]:
    """Open the store and have it answer. A missing SQLite file is not made: its owner must be the server's user."""
    url = settings.session.store.reveal()
    kind = url.partition(":")[0]
    if kind == "sqlite" and not (file := Path(url.removeprefix("sqlite:///"))).exists():
        return [_future_file(file)]
    advice = f"see that session.store is right, that the {kind} store runs, and that this user may use it"
    try:
        store = open_store(url, timeout=settings.session.store_timeout)
        try:
            await _try_out(store)
            is_heard = await _hears(store, 2 * settings.session.store_timeout)  # one try may meet a dead node
        finally:
            await store.close()
    except SessionStoreUnavailable as error:
        if "certificate" in error.detail:
            advice = "see who signed it and for which name, and ssl_ca_certs and ssl_certfile in session.store"
        return [Outcome(Status.FAIL, "store", f"the {kind} store does not answer: {error.detail}", advice)]
    except ValueError as error:
        return [Outcome(Status.FAIL, "store", str(error), "mend session.store")]
    if not is_heard:
        return [Outcome(Status.FAIL, "store", f"the {kind} store pushes no changes", _CHANNELS, _UNHEARD)]
    return [Outcome(Status.OK, "store", f"the {kind} store answers")]


_NOBODY = bytes(32)  # no key of ours: those are random
_CHANNELS = "let this user subscribe to its channel and publish there (&bff:* in an ACL)"
_UNHEARD = "a session that ends on one worker is to end on all of them at once"


async def _try_out(store: Store) -> None:
    """Do what every request and every login does, so that nothing comes of it: a user may be let in for less."""
    await store.open()
    await store.ping()
    await store.load(_NOBODY, 0.0)
    await store.release(_NOBODY, _NOBODY)  # a lease that nobody holds


async def _hears(store: Store, patience: float) -> bool:
    try:
        async with asyncio.timeout(patience):
            await anext(aiter(store.changes()))
    except TimeoutError:
        return False
    return True


def _future_file(file: Path) -> Outcome:
    directory = file.parent
    if directory.is_dir() and os.access(directory, os.W_OK):
        return Outcome(Status.OK, "store", f"{file} will be made at the first start")
    what = "cannot be written by this user" if directory.is_dir() else "does not exist"
    return Outcome(Status.FAIL, "store", f"{directory} {what}", "make it, for the user that bff runs as")


async def check_upstreams(settings: Settings) -> list[Outcome]:
    """Connect to each upstream once, with TLS where it is https. Nothing is sent."""
    wanted: _Wanted = {}
    upstreams = [(each, api.connect_timeout, api.tls) for api in settings.api for each in api.addresses]
    if settings.spa is not None and settings.spa.upstream is not None:
        upstreams.append((settings.spa.upstream, 5.0, TlsSettings()))
    sockets = {upstream.split(":")[1] for upstream, *_ in upstreams if upstream.startswith("unix:")}
    for upstream, timeout, tls in upstreams:
        if not upstream.startswith("unix:"):
            _want(wanted, upstream, timeout, tls)
    found = await asyncio.gather(*(_connect(*target, *how) for target, how in wanted.items()))
    outcomes = [outcome for each in found for outcome in each]
    outcomes += [await _connect_socket(path) for path in sorted(sockets)]
    return outcomes + [outcome for api in settings.api for outcome in _check_identity(api, settings)]


def _check_identity(api: ApiSettings, settings: Settings) -> list[Outcome]:
    """Whether our own certificate and its key fit together."""
    try:
        Upstreams([build_route(api, settings)], ignore)
    except ValueError:
        advice = "see that tls.client_cert and tls.client_key are in PEM and belong together"
        return [_unreached(api.path, "has a client certificate or key that cannot be used", advice)]
    return []


async def _connect_socket(path: str) -> Outcome:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "it does not answer"
        return _unreached(f"unix:{path}", f"cannot be reached: {reason}", "see that it runs, and who may use it")
    writer.transport.abort()
    return Outcome(Status.OK, "upstream", f"unix:{path} can be reached")


_Wanted = dict[tuple[str, int, bool], tuple[SplitResult, float, TlsSettings]]


def _want(wanted: _Wanted, upstream: str, timeout: float, tls: TlsSettings) -> None:
    url = urlsplit(upstream)
    target = (url.hostname or "", url.port or DEFAULT_PORTS[url.scheme], url.scheme == "https")
    wanted.setdefault(target, (url, timeout, tls))


async def _connect(
    host: str,
    port: int,
    tls: bool,
    url: SplitResult,
    timeout: float,  # noqa: ASYNC109
    how: TlsSettings,
) -> list[Outcome]:
    where = f"{url.scheme}://{url.netloc}"
    context = build_trust() if tls else None
    if context is not None and how.ca_file is not None:
        context.load_verify_locations(cadata=how.ca_file)
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(
                host, port, ssl=context, server_hostname=how.server_name if tls else None
            )
    except TimeoutError:
        return [
            _unreached(
                where, f"does not answer within {timeout:g} s", "see that it runs and no firewall is between"
            )
        ]
    except ssl.SSLCertVerificationError as error:
        advice = "have it present a certificate for this name that this machine trusts"
        return [_unreached(where, f"has a bad certificate: {error.verify_message}", advice)]
    except ssl.SSLError as error:
        return [_unreached(where, f"does not speak TLS: {error.reason}", "see whether it is http, not https")]
    except socket.gaierror:
        return [_unreached(where, "has a host name that cannot be resolved", "see that `upstream` is right")]
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "no address of it answers"
        return [_unreached(where, f"cannot be reached: {reason}", "see that it runs, and that `upstream` is right")]
    writer.transport.abort()  # nothing was sent, so there is nothing to finish
    outcomes = [Outcome(Status.OK, "upstream", f"{where} can be reached")]
    if not tls and not is_loopback(url):
        outcomes.append(
            Outcome(
                Status.WARN,
                "upstream",
                f"{where} is plain http: users' access tokens cross the network in clear",
                "use https, or keep that network to yourself (RFC 9700 §2.6)",
            )
        )
    return outcomes


def _unreached(where: str, what: str, advice: str) -> Outcome:
    return Outcome(Status.FAIL, "upstream", f"{where} {what}", advice)


def check_page(settings: Settings) -> list[Outcome]:
    """Whether there is a page to serve."""
    if settings.spa is None or settings.spa.directory is None:
        return []
    directory = Path(settings.spa.directory)
    if not directory.is_dir():
        return [
            Outcome(Status.FAIL, "page", f"{directory} is no directory", "build the page, or mend spa.directory")
        ]
    if not (directory / "index.html").is_file():
        return [
            Outcome(Status.FAIL, "page", f"{directory} has no index.html", "build the page, or mend spa.directory")
        ]
    return [Outcome(Status.OK, "page", f"{directory} has an index.html")]

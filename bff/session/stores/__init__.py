"""Where session records are kept: memory, SQLite, Redis. One URL opens one of them."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from bff.session.audit_records import AuditStore, KeepsAudit
from bff.session.documents import Documents, KeepsDocuments
from bff.session.records import Store
from bff.session.stores.memory import MemoryStore
from bff.session.stores.memory_audit import MemoryAudit
from bff.session.stores.memory_documents import MemoryDocuments
from bff.session.stores.memory_tally import MemoryTally
from bff.session.stores.sqlite import SqliteStore
from bff.session.tally import KeepsTally, Tally

FORMS = (
    "memory:, sqlite:///file.db, sqlite:////absolute/file.db, redis://, rediss://, unix:///path/to/socket, "
    "redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://"
)
_REDIS = ("redis", "rediss", "unix")
_REDIS_SETS = ("redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")

REDIS_OPTIONS = frozenset(
    {
        "prefix",
        "db",
        "username",
        "password",
        "client_name",
        "ssl_ca_certs",
        "ssl_certfile",
        "ssl_keyfile",
        "ssl_password",
        "ssl_cert_reqs",
        "ssl_check_hostname",
    }
)
SENTINEL_OPTIONS = frozenset({"sentinel_username", "sentinel_password", "sentinel_ssl"})


def open_store(url: str, *, timeout: float = 2.0) -> Store:
    """Build the store that a URL names; `await store.open()` connects it.

    `timeout` is seconds that any single call may take. Raises `ValueError` when the URL names no store. As it may
    hold a password, the message never repeats it.
    """
    match urlsplit(url).scheme:
        case "memory":
            return MemoryStore()
        case "sqlite":
            return SqliteStore(_parse_path(url), timeout=timeout)
        case scheme if scheme in _REDIS or scheme in _REDIS_SETS:
            return _open_redis(url, timeout)
        case scheme:
            raise ValueError(f"no session store is called {scheme!r}: expected {FORMS}")


def documents_of(store: Store) -> Documents:
    """Return where this store keeps documents. One that keeps none has them in this process's memory."""
    return store.documents if isinstance(store, KeepsDocuments) else MemoryDocuments()


def audit_of(store: Store) -> AuditStore:
    """Return where this store keeps an audit log. One that keeps none has it in this process's memory."""
    return store.audit if isinstance(store, KeepsAudit) else MemoryAudit()


def tally_of(store: Store) -> Tally:
    """Return where this store keeps its tally. One that keeps none has it in this process's memory."""
    return store.tally if isinstance(store, KeepsTally) else MemoryTally()


def _parse_path(url: str) -> Path:
    path = url.removeprefix("sqlite:///")
    if path in {url, "", ":memory:"} or "?" in path or "#" in path:
        raise ValueError(
            "a SQLite store is sqlite:///file.db (relative) or sqlite:////absolute/file.db, without options; "
            "for a store in memory write memory:"
        )
    return Path(path)


def _open_redis(url: str, timeout: float) -> Store:
    from bff.session.stores.redis import RedisStore  # noqa: PLC0415 - 0.2 s that only its users should wait for

    scheme, _, rest = url.partition(":")
    scheme = scheme.lower()  # RFC 3986 §3.1; what follows goes by it whether TLS is used
    address, _, query = f"{scheme}:{rest}".partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    known = REDIS_OPTIONS | (SENTINEL_OPTIONS if "+sentinel:" in address else frozenset())
    if unknown := sorted(options.keys() - known):
        raise ValueError(f"unknown option {unknown[0]!r} in the store's URL: expected {', '.join(sorted(known))}")
    _check_tls(options, is_secure=scheme.startswith("rediss"))
    prefix = options.pop("prefix", "bff")
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", prefix) is None:
        raise ValueError("the store's prefix may hold letters, digits, '-' and '_' only, 64 at most")
    try:
        return RedisStore(f"{address}?{urlencode(options)}", prefix=prefix, timeout=timeout)
    except (ValueError, TypeError):
        # Not chained: redis-py's own message may repeat the URL.
        raise ValueError(
            "the store's URL is not one that Redis can be reached at: expected "
            "redis://[user:password@]host[:port][/db], rediss://…, unix:///path/to/socket?db=0, "
            "redis+sentinel://[user:password@]host[:port],host[:port][/service[/db]] or "
            "redis+cluster://[user:password@]host[:port],host[:port]"
        ) from None


def _check_tls(options: Mapping[str, str], *, is_secure: bool) -> None:
    """Let nobody believe in a protection that is not there: redis-py takes no notice of either."""
    for name, value in options.items():
        if name.startswith("ssl_") or name == "sentinel_ssl":
            if not is_secure:
                raise ValueError(f"{name!r} means nothing without TLS: expected rediss://, or none of it")
            if not value:
                raise ValueError(f"{name!r} is empty: expected a value, or none of it")

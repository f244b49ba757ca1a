"""Which URLs name a store, and what is said about those that do not."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from redis.asyncio.connection import SSLConnection

from bff.session.records import Store
from bff.session.stores import open_store
from bff.session.stores.memory import MemoryStore
from bff.session.stores.redis import RedisStore
from bff.session.stores.sqlite import COUNT, SqliteStore
from bff.session.stores.sqlite_schema import SCHEMA, SCHEMA_VERSION


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory:", MemoryStore),
        ("memory://", MemoryStore),
        ("sqlite:///bff-sessions.db", SqliteStore),
        ("sqlite:////var/lib/bff/sessions.db", SqliteStore),
        ("redis://", RedisStore),
        ("redis://user:p%40ss@redis.internal:6380/2?prefix=shop", RedisStore),
        ("rediss://redis.internal?ssl_cert_reqs=required&ssl_check_hostname=true", RedisStore),
        ("unix:///run/valkey.sock?db=1&prefix=shop_2", RedisStore),
        ("redis+sentinel://a,b:26380", RedisStore),
        ("redis+sentinel://user:p%40ss@a,[::1]:26380/main/2?sentinel_password=x&prefix=shop", RedisStore),
        ("rediss+sentinel://a,b/main?sentinel_ssl=false&ssl_cert_reqs=none&ssl_check_hostname=false", RedisStore),
        ("redis+cluster://user:p%40ss@a,b:7000,[::1]:7001", RedisStore),
        ("rediss+cluster://a?prefix=shop", RedisStore),
    ],
)
def test_the_scheme_chooses_the_store(url: str, kind: type[Store]) -> None:
    """Nothing is opened yet, so nothing needs to be there."""
    assert kind is type(open_store(url))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "no session store is called ''"),
        ("postgres://db/sessions", "no session store is called 'postgres'"),
        ("redis+sentinel://:hunter2@a,b/0", "is not one that Redis can be reached at"),
        ("redis+sentinel://:hunter2@a,b/main/x", "is not one that Redis can be reached at"),
        ("redis+sentinel://:hunter2@a,b:port/main", "is not one that Redis can be reached at"),
        ("redis+sentinel://:hunter2@a,,b/main", "is not one that Redis can be reached at"),
        ("redis+cluster://:hunter2@a,b/1", "is not one that Redis can be reached at"),
        ("redis+cluster://:hunter2@a,b?db=1", "is not one that Redis can be reached at"),
        ("redis+cluster://:hunter2@a,b?sentinel_ssl=false", "unknown option 'sentinel_ssl'"),
        ("rediss+cluster://:hunter2@a,b?ssl_cert_reqs=perhaps", "is not one that Redis can be reached at"),
        ("redis://:hunter2@a?ssl_ca_certs=ca.pem", "'ssl_ca_certs' means nothing without TLS"),
        ("unix:///run/valkey.sock?ssl_cert_reqs=required", "'ssl_cert_reqs' means nothing without TLS"),
        ("redis+cluster://:hunter2@a,b?ssl_ca_certs=ca.pem", "'ssl_ca_certs' means nothing without TLS"),
        ("redis+sentinel://:hunter2@a,b?sentinel_ssl=true", "'sentinel_ssl' means nothing without TLS"),
        ("rediss://:hunter2@a?ssl_ca_certs=", "'ssl_ca_certs' is empty"),
        ("bff-sessions.db", "expected memory:, sqlite:///file.db"),
        ("sqlite://bff-sessions.db", "a SQLite store is sqlite:///file.db"),
        ("sqlite:bff-sessions.db", "a SQLite store is sqlite:///file.db"),
        ("sqlite:///", "a SQLite store is sqlite:///file.db"),
        ("sqlite:///:memory:", "write memory:"),
        ("sqlite:///a.db?mode=ro", "without options"),
        ("redis://:hunter2@host/0?decode_responses=true", "unknown option 'decode_responses'"),
        ("redis://:hunter2@host/0?prefix=a:b", "the store's prefix"),
        ("redis://:hunter2@host/0?prefix=", "the store's prefix"),
        ("redis://:hunter2@host:port/0", "is not one that Redis can be reached at"),
        ("redis://:hunter2@host/0?db=one", "is not one that Redis can be reached at"),
    ],
)
def test_another_url_is_refused_with_what_was_expected(url: str, said: str) -> None:
    """The message helps, and never repeats a password."""
    with pytest.raises(ValueError, match=r".") as refused:
        open_store(url)

    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "url", ["REDISS://a", "Rediss+sentinel://a,b", "REDISS+Sentinel://a", "REDISS+cluster://a,b"]
)
async def test_a_scheme_in_capitals_means_tls_too(url: str) -> None:
    """Schemes are the same in capitals (RFC 3986 §3.1): no spelling makes a connection one in the clear."""
    store = open_store(url)
    assert isinstance(store, RedisStore)
    client = store._servers.listener()

    made = client.connection_pool.make_connection()
    await store.close()
    assert isinstance(made, SSLConnection)


async def test_prefixes_keep_deployments_apart(valkey_url: str) -> None:
    """Two deployments share one server without seeing each other's names."""
    shop, desk = open_store(f"{valkey_url}?prefix=shop"), open_store(f"{valkey_url}?prefix=desk")

    assert await shop.remember(b"name", 0.0, 60.0)
    assert await desk.recall(b"name", 0.0) is None
    assert await desk.remember(b"name", 0.0, 60.0)
    await shop.close()
    await desk.close()


async def test_a_relative_path_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SQLAlchemy's URLs have it: three slashes relative, four absolute."""
    monkeypatch.chdir(tmp_path)
    relative, absolute = open_store("sqlite:///sessions.db"), open_store(f"sqlite:///{tmp_path}/sessions.db")

    assert await relative.remember(b"name", 0.0, 60.0, 7.0)
    assert 7.0 == await absolute.recall(b"name", 0.0)
    await relative.close()
    await absolute.close()


async def test_a_file_of_an_earlier_release_is_counted_by_its_index_too(tmp_path: Path) -> None:
    """What the count reads is added to a file that has none, and the earlier release goes on with that file."""
    path = tmp_path / "sessions.db"
    with closing(sqlite3.connect(path)) as earlier:
        for statement in SCHEMA:
            earlier.execute(statement)
    store = SqliteStore(path)

    assert 0 == await store.count(1_000_000.0)

    await store.close()
    with closing(sqlite3.connect(path)) as now:
        assert SCHEMA_VERSION == now.execute("PRAGMA user_version").fetchone()[0]
        (plan,) = now.execute(f"EXPLAIN QUERY PLAN {COUNT}", (1_000_000.0,)).fetchall()
    assert "live_sessions_by_end" in plan[-1]

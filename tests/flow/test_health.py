"""What probes are told of a worker: alive, started, ready, and how it feels."""

import pytest

from bff.config.key_files import KeyFiles
from bff.oidc.relying_party import RelyingParty
from tests.administered import managed
from tests.internet import KEYS, World, eventually


async def told(world: World, path: str, worker: int = 0):
    answer = await managed(world, "GET", f"/health/{path}", token=None, worker=worker)
    return answer.status, answer.document


async def test_worker_that_has_everything_is_ready(world):
    """Store, pushes, issuer and keys."""
    status, report = await told(world, "ready")

    assert (200, "ready") == (status, report["status"])
    assert {"ok"} == {report[part] for part in ("store", "store_pushes", "issuer", "keys")}
    assert (200, "alive") == ((await told(world, "live"))[0], (await told(world, "live"))[1]["status"])
    assert 200 == (await told(world, "startup"))[0]


async def test_worker_without_its_store_or_that_drains_is_unready_and_alive(world):
    """A load balancer sends requests elsewhere, and nobody kills it."""
    world.store.down = True
    assert (503, "unready") == ((await told(world, "ready"))[0], (await told(world, "ready"))[1]["status"])
    world.store.down = False
    assert 200 == (await told(world, "ready"))[0]
    world.bffs[0].drain()

    status, report = await told(world, "ready")
    assert (503, "unready", True) == (status, report["status"], report["draining"])
    assert 200 == (await told(world, "live"))[0]


@pytest.mark.parametrize(
    ("ready", "last_error", "status"), [(False, None, 503), (False, "it is away", 200), (True, None, 200)]
)
async def test_start_is_over_when_the_issuer_has_been_asked(world, monkeypatch, ready, last_error, status):
    """Whatever came of it: an issuer that is away keeps nobody from starting."""
    monkeypatch.setattr(RelyingParty, "ready", property(lambda _self: ready))
    monkeypatch.setattr(RelyingParty, "last_error", property(lambda _self: last_error))

    assert status == (await told(world, "startup"))[0]


async def test_key_file_that_cannot_be_used_is_told_and_changes_nothing(tmp_path):
    """The keys that were read before go on: degraded, and still ready."""
    config, keys = tmp_path / "bff.toml", tmp_path / "bff.keys"
    config.write_text('[keys]\nsecrets = [{ file = "bff.keys" }]\n')
    keys.write_text(KEYS[0])
    keys.chmod(0o600)
    async with World() as world:
        bff = await world.start_worker(key_files=KeyFiles(config, {}))
        await eventually(lambda: bff.keys.written_at)
        keys.write_text("no key at all")
        bff.keys.take(bff.keys._read())
        status, report = await told(world, "ready", worker=1)
        keys.write_text(KEYS[0])
        bff.keys.take(bff.keys._read())

        assert (200, "degraded") == (status, report["status"])
        assert report["keys"] not in {"ok", ""}
        assert "no key at all" not in report["keys"]
        assert "ok" == (await told(world, "ready", worker=1))[1]["keys"]

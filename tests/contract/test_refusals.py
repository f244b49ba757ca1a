"""What is said when TLS or a password keeps us from sentinels, from the servers behind them, or from a cluster."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from click.testing import CliRunner

from bff.cli import main
from bff.cli.checks.reach import check_store
from bff.config.settings import Secret
from bff.errors import SessionStoreUnavailable
from bff.session.stores import open_store
from tests.contract.conftest import ACL_RULES, PATIENCE
from tests.internet import make_settings
from tests.product import start_product
from tests.secured_sets import SecuredSet, secured_cluster, secured_sentinels
from tests.servers import Valkey
from tests.store_sets import Cluster, Papers, SentinelSet, ask, await_that, write_papers

ASKING = "asking the sentinels: "
DISTRUSTED = "its certificate is from no authority that we trust"
UNWANTED = "it refuses our certificate, or the lack of one"


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Papers of an authority that nobody here knows."""
    return write_papers(tmp_path_factory.mktemp("strange"))


@pytest.fixture(params=["sentinel", "cluster"])
def secured_set(request: pytest.FixtureRequest) -> SecuredSet:
    """The way in to either."""
    way_in: SecuredSet = request.getfixturevalue(f"secured_{request.param}_set")
    return way_in


async def refusal_of(url: str) -> str | None:
    """Why the store does not open: what stands in brackets, whoever of a set says it."""
    store = open_store(url, timeout=PATIENCE)
    try:
        await store.open()
    except SessionStoreUnavailable as refused:
        assert "127.0.0.1" not in refused.detail
        return refused.detail.partition("(")[2].partition(")")[0].removeprefix(ASKING)
    finally:
        await store.close()
    return None


async def test_an_authority_that_did_not_sign_is_not_believed(secured_set: SecuredSet, strange: Papers) -> None:
    """Neither a wrong one nor what the machine trusts."""
    own = secured_set.papers
    wrong = Papers(strange.authority, own.certificate, own.key)
    of_the_machine = secured_set.url_for(own).replace("ssl_ca_certs=", "client_name=")

    assert DISTRUSTED == await refusal_of(secured_set.url_for(wrong))
    assert DISTRUSTED == await refusal_of(of_the_machine)
    no_matter = "&ssl_cert_reqs=none&ssl_check_hostname=false"
    assert await refusal_of(secured_set.url_for(wrong) + no_matter) is None


async def test_a_certificate_of_ours_that_the_servers_do_not_know_lets_nobody_in(
    secured_set: SecuredSet, strange: Papers
) -> None:
    """Another authority's, and none at all. What is said depends on what comes first, the alert or the end."""
    own = secured_set.papers
    url = secured_set.url_for(Papers(own.authority, strange.certificate, strange.key))
    without = url.replace("ssl_certfile=", "client_name=").replace("ssl_keyfile=", "client_name=")

    assert {UNWANTED, "no connection"} >= {await refusal_of(url), await refusal_of(without)}


async def test_a_certificate_is_good_for_the_host_that_it_names(
    cluster: Cluster, secured_sentinel_set: SecuredSet, tmp_path: Path
) -> None:
    """RFC 9525 §6: the right server by another name is refused, unless told not to compare."""
    papers = write_papers(tmp_path, "127.0.0.9")
    with secured_cluster(cluster, ACL_RULES, papers) as way_in:
        for url in (way_in.url_for(papers), secured_sentinel_set.url.replace("127.0.0.1", "localhost")):
            assert "its certificate is another host's" == await refusal_of(url)
            assert await refusal_of(url + "&ssl_check_hostname=false") is None


async def test_a_password_that_is_wrong_is_named(secured_set: SecuredSet) -> None:
    """That of the user, on the servers."""
    url = secured_set.url_for(secured_set.papers, password="wr0ng")

    assert "credentials refused" == await refusal_of(url)


async def test_the_password_for_the_sentinels_is_another_one(secured_sentinel_set: SecuredSet) -> None:
    """And what is wrong with it is told apart from what is wrong with that of the servers."""
    url = secured_sentinel_set.url_for(secured_sentinel_set.papers, watchword="wr0ng")

    with pytest.raises(SessionStoreUnavailable, match=f"{ASKING}credentials refused"):
        await open_store(url, timeout=PATIENCE).open()


async def test_the_servers_behind_the_sentinels_are_looked_at_as_well(
    sentinel_set: SentinelSet, strange: Papers
) -> None:
    """A sentinel that we believe does not vouch for the server that it names."""
    with secured_sentinels(sentinel_set, ACL_RULES, strange) as way_in:
        assert DISTRUSTED == await refusal_of(way_in.url)


async def test_an_address_of_another_kind_is_named(cluster: Cluster, valkey_url: str) -> None:
    """A node of a cluster would answer to a single server's address, until the first login."""
    node = f"redis://127.0.0.1:{cluster.servers[0].port}"

    assert "it is a node of a cluster, and the address is that of a single server" == await refusal_of(node)
    assert "it is no cluster" == await refusal_of(valkey_url.replace("redis:", "redis+cluster:"))
    assert "it knows no such command" == await refusal_of(valkey_url.replace("redis:", "redis+sentinel:"))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (("~bff:*", "&bff:*", "+@all"), "the redis store answers"),
        (("~other:*", "&bff:*", "+@all"), "credentials refused"),
        (("~bff:*", "&bff:*", "-@all", "+@read", "+@connection", "+@pubsub"), "credentials refused"),
        (("~bff:*", "resetchannels", "+@all"), "the redis store pushes no changes"),
    ],
)
async def test_check_finds_a_user_who_gets_in_and_may_not_do_what_we_need(
    valkey: Valkey, rules: tuple[str, ...], said: str
) -> None:
    """Other keys, no scripts, no channels: each one answers a ping."""
    with ask(valkey.port) as operator:
        operator.execute_command("ACL", "SETUSER", "lean", "reset", "on", ">s3cret", *rules)
    base = make_settings()
    store = Secret(valkey.url.replace("//", "//lean:s3cret@"))

    (found,) = await check_store(replace(base, session=replace(base.session, store=store)))

    assert said in found.message


def test_check_doctor_and_server_say_that_they_do_not_believe_the_store(
    secured_cluster_set: SecuredSet, strange: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line each; the server goes on, answers 503, and logs why."""
    own = secured_cluster_set.papers
    url = secured_cluster_set.url_for(Papers(strange.authority, own.certificate, own.key))
    issuer = SimpleNamespace(url="http://127.0.0.1:9", client_id="spa", client_secret="a-secret-for-tests")
    with start_product(issuer, None, store=url) as bff:
        monkeypatch.setenv("TEST_CLIENT_SECRET", issuer.client_secret)
        for command in ("check", "doctor"):
            told = CliRunner().invoke(main, [command, "-c", str(bff.config), "--json"]).stdout
            (found,) = [each for each in json.loads(told) if each["check"] == "store" and DISTRUSTED in str(each)]
            assert ("FAIL", True) == (found["status"], "ssl_ca_certs" in found["advice"])
        ready = httpx.get(f"{bff.management_url}/health/ready", trust_env=False)
        assert (503, True) == (ready.status_code, DISTRUSTED in ready.json()["store"])
        await_that(lambda: f"({DISTRUSTED})" in bff.output(), "the line in the log")

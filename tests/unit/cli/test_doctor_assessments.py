"""What `bff doctor` makes of what it finds: pure assessments, one table a subject."""

import json
import os
from dataclasses import replace
from ipaddress import ip_network

import pytest

from bff.cli.checks.asking import Head
from bff.cli.checks.cookies import check_cookies, check_management
from bff.cli.checks.outcome import Outcome, Status
from bff.cli.checks.public import assess_arrival, assess_operators
from bff.cli.checks.registration import assess_credentials, assess_redirect
from bff.cli.checks.store_facts import assess_store, file_system_of, look_at_file
from bff.cli.checks.surroundings import (
    assess_descriptors,
    assess_workers,
    check_console,
    check_keys,
    check_time_zones,
    usable_cores,
)
from bff.config import Secret, Settings
from bff.config.key_files import KeyFiles
from bff.config.settings import (
    AdminSettings,
    ApiSettings,
    CorsSettings,
    KeysSettings,
    OidcSettings,
    SameSite,
    ServerSettings,
    SessionSettings,
)
from bff.crypto.key_ring import new_key
from bff.from_settings import build_client
from bff.oidc.transport import Answer
from bff.session.facts import StoreFacts

SETTINGS = Settings(
    public_url="https://app.example.com",
    oidc=OidcSettings("https://id.example.com", "spa", Secret("x")),
    keys=KeysSettings((Secret("k"),)),
    api=(ApiSettings("/api", "http://orders.internal"),),
)
DAY = 86400.0


def short(outcomes):
    """Status and message of everything that is not well; each of them must say what to do."""
    found = [outcome for outcome in outcomes if outcome.status is not Status.OK]
    assert all(outcome.advice for outcome in found)
    return [(outcome.status.value, outcome.message) for outcome in found]


def with_server(**changes):
    return replace(SETTINGS, server=ServerSettings(**changes))


# ── cookies and addresses ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("public_url", "told"),
    [
        ("https://app.example.com", []),
        ("http://localhost:8080", []),
        ("http://app.internal", [("FAIL", "http://app.internal is http")]),
    ],
)
def test_cookie_needs_https_but_on_localhost(public_url, told):
    """RFC 6265bis §4.1.3.2: a __Host- cookie is Secure, and over http no browser keeps one."""
    assert told == short(check_cookies(replace(SETTINGS, public_url=public_url)))


def test_lax_cookie_is_worth_a_word():
    """Strict costs a single-page application nothing."""
    lax = replace(SETTINGS, session=SessionSettings(same_site=SameSite.LAX))

    assert [("WARN", "SameSite=Lax: it comes along with links from elsewhere")] == short(check_cookies(lax))


def test_pages_of_other_sites_cannot_bring_the_session_along():
    """Whatever CORS lets them read: a subdomain of our site can, a stranger cannot."""
    cors = CorsSettings(origins=("https://www.example.com", "https://other.test"), credentials=True)
    routes = (replace(SETTINGS.api[0], cors=cors),)

    assert [("WARN", "/api: pages of https://other.test never bring the session along")] == short(
        check_cookies(replace(SETTINGS, api=routes))
    )


@pytest.mark.parametrize(
    ("listen", "status"),
    [
        ("127.0.0.1:9090", "OK"),
        ("[::1]:9090", "OK"),
        ("10.1.2.3:9090", "OK"),
        ("unix:/run/bff-management.sock", "OK"),
        ("0.0.0.0:9090", "WARN"),
        ("198.51.100.7:9090", "OK"),  # of a network for documentation, which is nobody's
        ("8.8.8.8:9090", "WARN"),
        ("same", "WARN"),
    ],
)
def test_operators_paths_belong_to_operators(listen, status):
    """OWASP ASVS 13.4.5: what monitors and administers is not for the public."""
    assert status == check_management(with_server(management_listen=listen)).status.value


# ── the machine ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("workers", "cores", "status"), [(1, 1, "OK"), (4, 4, "OK"), (1, 4, "WARN"), (5, 4, "WARN"), (1, 0.5, "OK")]
)
def test_one_worker_keeps_one_core_busy(workers, cores, status):
    """More only take turns, fewer leave cores idle."""
    assert status == assess_workers(with_server(workers=workers), cores).status.value


@pytest.mark.parametrize(("told", "most"), [("50000 100000", 0.5), ("max 100000", 64.0), ("", 64.0)])
def test_quota_of_a_container_counts(told, most, monkeypatch):
    """cgroup v2: so much time in each period, or "max"."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: range(64), raising=False)

    assert most == usable_cores(lambda _path: told)


def test_machine_without_control_groups_has_its_cores(monkeypatch):
    """There is no such file on many."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: range(3), raising=False)

    def read(_path):
        raise FileNotFoundError

    assert 3 == usable_cores(read)


def test_descriptors_are_counted_against_what_may_be_in_use():
    """Connections from outside, to every upstream and of sockets; outside takes no more than half of them."""
    assert [] == short([assess_descriptors(SETTINGS, 65536)])
    assert [] == short([assess_descriptors(SETTINGS, -1)])
    outcome = assess_descriptors(SETTINGS, 1024)
    assert ("WARN", "a worker may open 1024 files, and needs 16384 when all is in use") == short([outcome])[0]
    assert "LimitNOFILE=16384" in outcome.advice


@pytest.mark.parametrize(("age", "status"), [(1.0, "OK"), (400 * DAY, "WARN"), (-3 * DAY, "WARN")])
def test_age_of_keys_is_told(tmp_path, age, status):
    """A key that is years old has been in many hands; one of the future comes of a wrong clock."""
    keys = tmp_path / "bff.keys"
    keys.write_text(new_key())
    keys.chmod(0o600)
    (tmp_path / "bff.toml").write_text('[keys]\nsecrets = [{ file = "bff.keys" }]\n')
    written = keys.stat().st_mtime

    (outcome,) = check_keys(KeyFiles(tmp_path / "bff.toml", {}), written + age)

    assert status == outcome.status.value


def test_keys_of_the_environment_have_no_age_and_missing_ones_fail(tmp_path):
    """Nothing is guessed about them."""
    config = tmp_path / "bff.toml"
    config.write_text('[keys]\nsecrets = [{ env = "KEY" }]\n')

    assert ["OK", "FAIL"] == [
        check_keys(KeyFiles(config, environ), 0.0)[0].status.value for environ in ({"KEY": new_key()}, {})
    ]


def test_console_is_looked_for_where_it_is_opened(tmp_path):
    """Without [admin] nobody asks for it."""
    opened = replace(SETTINGS, admin=AdminSettings(roles=("admin",)))
    assert [] == check_console(SETTINGS, tmp_path)
    assert ["WARN"] == [outcome.status.value for outcome in check_console(opened, tmp_path)]
    (tmp_path / "index.html").touch()
    assert ["OK"] == [outcome.status.value for outcome in check_console(opened, tmp_path)]


def test_time_zones_are_there():
    """They come with the package, whatever the machine has."""
    assert Status.OK is check_time_zones().status


# ── the store ────────────────────────────────────────────────────────────────────────────────────────────

GOOD = StoreFacts(
    server="redis",
    version="7.2.5",
    seconds_ahead=0.001,
    round_trip=0.0004,
    appends=True,
    snapshots=True,
    evicts="noeviction",
    memory_used=10,
    memory_limit=100,
    role="master",
    replicas=1,
)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"server": "valkey", "version": "8.0.1"}, []),
        ({"version": "5.0.14"}, [("FAIL", "redis 5.0.14 is too old")]),
        ({"seconds_ahead": -90.0}, [("WARN", "the store's clock is 90.0 s behind ours")]),
        ({"round_trip": 0.05}, [("WARN", "a round trip to the store takes 50.0 ms")]),
        ({"appends": False}, [("WARN", "the store only takes snapshots")]),
        ({"appends": False, "snapshots": False}, [("WARN", "every session ends with the store's restart")]),
        ({"appends": None, "snapshots": None}, [("WARN", "sessions may not survive the store's restart")]),
        ({"last_write_failed": True}, [("FAIL", "the store could not write to its disk")]),
        ({"evicts": "allkeys-lru"}, [("FAIL", "the store evicts when it is full (allkeys-lru)")]),
        (
            {"evicts": "volatile-lru", "memory_limit": 0},
            [("WARN", "the store evicts when it is full (volatile-lru)")],
        ),
        ({"evicts": None}, [("WARN", "the store does not tell what it evicts")]),
        ({"memory_used": 95}, [("WARN", "the store uses 95% of its memory")]),
        ({"role": "slave"}, [("FAIL", "session.store leads to a replica")]),
        ({"replicas": 2, "needs_replicas": True}, []),
        ({"replicas": 2, "needs_replicas": False}, [("WARN", "the store takes writes that no replica hears of")]),
    ],
)
def test_store_is_judged_by_what_it_tells(changes, told):
    """Version, clock, distance, persistence, eviction, memory, role."""
    assert told == short(assess_store(replace(GOOD, **changes)))


MOUNTS = """\
22 1 0:20 / / rw,relatime - overlay overlay rw
23 22 0:21 / /srv rw - ext4 /dev/sda1 rw
24 23 0:22 / /srv/share rw,relatime shared:1 - nfs4 server:/export rw
25 22 0:23 / /dev/shm rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("/srv/bff/s.db", "ext4"),
        ("/srv/share/s.db", "nfs4"),
        ("/srv/shared/s.db", "ext4"),
        ("/dev/shm/s.db", "tmpfs"),
        ("/x/s.db", "overlay"),
    ],
)
def test_file_system_is_that_of_the_longest_mount_point(tmp_path, file, kind):
    """proc_pid_mountinfo(5); a name that only begins alike is another place."""
    from pathlib import Path

    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert kind == file_system_of(Path(file), mounts)
    assert file_system_of(Path(file), tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("ext4", []),
        ("nfs4", [("FAIL", "{} is on a network file system (nfs4)")]),
        ("cifs", [("FAIL", "{} is on a network file system (cifs)")]),
        ("fuse.sshfs", [("FAIL", "{} is on a network file system (fuse.sshfs)")]),
        ("tmpfs", [("WARN", "{} does not last")]),
    ],
)
def test_sqlite_wants_a_local_disk_that_lasts(tmp_path, monkeypatch, kind, told):
    """Locks of a network file system do not hold, memory is gone with a restart."""
    from bff.cli.checks import store_facts

    monkeypatch.setattr(store_facts.shutil, "disk_usage", lambda _path: _Usage)
    mounts, file = tmp_path / "mountinfo", tmp_path / "sessions.db"
    mounts.write_text(f"22 1 0:20 / {tmp_path} rw - {kind} x rw\n")

    assert [(status, message.format(file)) for status, message in told] == short(look_at_file(file, mounts))


class _Usage:
    free = 10**12


# ── the registration ─────────────────────────────────────────────────────────────────────────────────────

BACK = "https://app.example.com/bff/callback"


@pytest.mark.parametrize(
    ("status", "location", "judged"),
    [
        (302, f"{BACK}?error=login_required&state=x", "OK"),
        (303, f"{BACK}?code=abc&state=x", "OK"),
        (302, f"{BACK}?error=invalid_scope", "WARN"),
        (302, "https://id.example.com/login", "WARN"),
        (200, "", "WARN"),
        (400, "", "FAIL"),
        (302, f"{BACK}.evil.test/?error=login_required", "WARN"),
    ],
)
def test_login_that_comes_back_shows_a_registered_redirect_uri(status, location, judged):
    """OIDC Core §3.1.2.6: with prompt=none an error comes back at once; to another URI nothing may come."""
    outcome = assess_redirect(Head(status, {"location": location}, b""), build_client(SETTINGS))

    assert judged == outcome.status.value
    assert judged == "OK" or BACK in outcome.advice or "registration" in outcome.advice


@pytest.mark.parametrize(
    ("status", "body", "judged"),
    [
        (400, b'{"error": "invalid_grant"}', "OK"),
        (401, b'{"error": "invalid_client"}', "FAIL"),
        (400, b'{"error": "invalid_client"}', "FAIL"),
        (401, b"<html>", "FAIL"),
        (400, b'{"error": "invalid_request"}', "WARN"),
        (500, b"oops", "WARN"),
        (400, b"[]", "WARN"),
    ],
)
def test_code_that_never_was_shows_whether_we_are_known(status, body, judged):
    """RFC 6749 §5.2: invalid_client is said of us, invalid_grant of the code, and of it only when we are known."""
    assert judged == assess_credentials(Answer(status, "application/json", body), SETTINGS).status.value


# ── the way of browsers ──────────────────────────────────────────────────────────────────────────────────

PATH = "/bff/doctor/a%2fb%7e?c=%2F+%20"
PRETENDED = "203.0.113.77"


def arrived(**changes):
    """The judgement of a request that arrived so, but for these changes."""
    told = {
        "peer": "10.0.0.5",
        "trusted": True,
        "address": "192.0.2.1",
        "refused": None,
        "target": PATH,
        "headers": {"host": "app.example.com", "x-forwarded-for": f"{PRETENDED}, 192.0.2.1"},
    }
    body = json.dumps({**told, **changes}).encode()
    return assess_arrival(Head(200, {}, body), SETTINGS, PATH)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"trusted": False, "address": "192.0.2.1", "headers": {"x-forwarded-for": PRETENDED}}, []),
        ({"target": "/bff/doctor/a/b~?c=/+%20"}, [("FAIL", "the proxy rewrites paths")]),
        ({"target": "/bff/doctor/a%2Fb%7E?c=%2F%20%20"}, [("FAIL", "the proxy rewrites paths")]),
        ({"target": "/bff/doctor/a%2Fb~?c=%2F+%20"}, []),  # means the same (RFC 3986 §6.2.2)
        ({"refused": "misdirected_request"}, [("FAIL", "the proxy passes another Host on")]),
        ({"address": PRETENDED}, [("FAIL", "browsers can choose their address")]),
        (
            {"headers": {"host": "app.example.com"}},
            [("WARN", "the proxy does not tell the browser's address: all of them count as one")],
        ),
        (
            {"trusted": False},
            [("WARN", "the proxy's X-Forwarded-For is not believed: all browsers count as one")],
        ),
    ],
)
def test_request_through_the_proxy_shows_what_it_does(changes, told):
    """Path, Host, the browser's address, and whether a browser may make one up."""
    assert told == short(arrived(**changes))


def test_proxy_that_is_not_believed_is_named_for_the_configuration():
    """The line to write is in the advice."""
    assert any('server.trusted_proxies = ["10.0.0.5"]' in outcome.advice for outcome in arrived(trusted=False))


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (
            Head(404, {}, b'{"code": "route_not_found"}'),
            ("FAIL", "a bff answers at the public URL, but not one with these keys"),
        ),
        (Head(502, {}, b"Bad Gateway"), ("WARN", "a proxy answers at the public URL with 502")),
        (Head(200, {"server": "x"}, b"<html>"), ("FAIL", "what answers at the public URL is not bff (status 200)")),
        (Head(404, {}, b"[1]"), ("FAIL", "what answers at the public URL is not bff (status 404)")),
    ],
)
def test_whoever_else_answers_is_told_from_us(head, told):
    """Another server, a proxy with nobody behind it, another bff."""
    assert [told] == short(assess_arrival(head, SETTINGS, PATH))


def test_operators_paths_that_answer_in_public_are_a_warning():
    """By what they say, not by their status alone: an app may answer 200 to anything."""
    health = b'{"status": "ready", "store_pushes": "ok"}'

    assert ["WARN", "OK", "OK"] == [
        outcome.status.value
        for head in (Head(200, {}, health), Head(200, {}, b"<html>"), Head(404, {}, b""))
        for outcome in assess_operators(head, SETTINGS)
    ]


def test_line_says_what_why_and_what_to_do_and_steers_no_terminal():
    """Parts of it come from other machines (CWE-150)."""
    outcome = Outcome(Status.FAIL, "issuer", "said \x1b[2J", "look", "because \x07")

    assert "FAIL  issuer: said \N{REPLACEMENT CHARACTER}[2J (because \N{REPLACEMENT CHARACTER}) → look" == str(
        outcome
    )


def test_networks_are_what_trusted_proxies_takes():
    """The advice can be copied: an address is a network."""
    assert ip_network("10.0.0.5").num_addresses == 1

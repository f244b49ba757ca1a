"""What the running product writes to its audit log, and what it does while it cannot."""

import asyncio
from dataclasses import replace

import pytest

from bff.access.auditing import AuditQuery
from bff.config.settings import AuditSettings, WhenFull
from tests.internet import World, eventually, make_settings


def settings_with(path, **more):
    return replace(make_settings(), audit=AuditSettings(f"file:{path}", **more))


@pytest.fixture
async def audited(tmp_path):
    """A world whose log is a file, and in which every allowed call is recorded."""
    async with World(settings=settings_with(tmp_path / "audit.jsonl", allowed_calls=1.0)) as world:
        yield world


async def lines(world, event):
    """The lines of this event, newest first, once everything has been written."""
    audit = world.bffs[0].audit
    await eventually(lambda: not audit._waiting)
    return (await audit.reader.search(AuditQuery(event=event))).items


async def test_login_and_logout_say_who_under_which_request_from_where(audited):
    """The same session handle and the same subject lead through a session's life."""
    browser = audited.browser()
    await browser.log_in()
    await browser.post("/bff/logout")
    ((login,), (logout,)) = [await lines(audited, name) for name in ("login.done", "logout.done")]

    assert ("ok", "ok", "user") == (login["outcome"], logout["outcome"], logout["by"])
    assert (login["subject"], login["session"]) == (logout["subject"], logout["session"])
    assert login["request_id"] != logout["request_id"]
    assert {32} == {len(line["request_id"]) for line in (login, logout)}
    assert login["address"] == logout["address"] != ""


async def test_error_page_shows_the_request_id_that_the_audit_line_has(audited):
    """Whoever calls the help desk can be found."""
    browser = audited.browser()
    answer = await browser.get("/bff/callback?code=x&state=unknown")
    (failed,) = await lines(audited, "login.failed")

    assert "no_attempt" == failed["reason"] or failed["reason"]
    assert failed["request_id"].encode() in answer.body + b"".join(value for _, value in answer.headers)


async def test_back_channel_logout_says_whose_session_ended_and_by_whom(audited):
    """The issuer names a session; the log names its user."""
    browser = audited.browser()
    await browser.log_in()
    await audited.back_channel_logout()
    (login,) = await lines(audited, "login.done")
    (logout,) = await lines(audited, "logout.backchannel")

    assert (login["subject"], login["session"], "issuer") == (logout["subject"], logout["session"], logout["by"])


async def test_calls_that_are_denied_say_by_which_rule_and_why(audited):
    """By a rule, for want of the CSRF header, and from another site."""
    browser = audited.browser()
    await browser.log_in()
    await browser.get("/admin/users")
    await browser.get("/api/me", csrf=False)
    denied = await lines(audited, "access.denied")

    assert [("/api", "csrf_header_required"), ("/admin", "role_missing")] == [
        (line["route"], line["reason"]) for line in denied
    ]
    assert {"denied"} == {line["outcome"] for line in denied}
    assert {("GET", True)} == {(line["method"], bool(line["request_id"])) for line in denied}


async def test_allowed_calls_are_recorded_by_choice_and_never_with_their_query(audited):
    """Route, rule and user; what was asked for stays the upstream's."""
    browser = audited.browser()
    await browser.log_in()
    await browser.get("/api/me?card=4111111111111111")
    (allowed,) = await lines(audited, "access.allowed")
    (login,) = await lines(audited, "login.done")

    assert ("/api", "GET", "ok", login["subject"], login["session"]) == tuple(
        allowed[name] for name in ("route", "method", "outcome", "subject", "session")
    )
    assert "4111" not in str(allowed)
    assert [] == audited.told("access.allowed"), "operators' logs have lines for requests"


async def test_allowed_calls_are_not_recorded_unasked(tmp_path):
    """They are a million a day."""
    async with World(settings=settings_with(tmp_path / "audit.jsonl")) as world:
        browser = world.browser()
        await browser.log_in()
        await browser.get("/api/me")

        assert () == await lines(world, "access.allowed")


async def test_whole_log_of_a_world_is_verifiable_across_workers(audited):
    """Two workers, one chain."""
    second = await audited.start_worker()
    browser = audited.browser()
    await browser.log_in()
    await eventually(lambda: not second.audit._waiting)
    loaded = await lines(audited, "configuration.loaded")

    assert 2 == len(loaded)
    assert (await audited.bffs[0].audit.reader.verify()).ok


async def test_process_that_renews_tells_of_no_configuration_of_its_own(audited):
    """It takes itself for the only worker: told of, that would be a change of the configuration at every start."""
    server = replace(audited.settings.server, workers=7)
    await audited.start_worker(serves=False, server=server)

    assert 1 == len(await lines(audited, "configuration.loaded"))
    assert () == await lines(audited, "configuration.changed")


async def test_changed_configuration_and_keys_are_told_at_the_next_start(tmp_path):
    """By fingerprints and by the keys' public names: which tables changed, which keys came and went."""
    first = settings_with(tmp_path / "audit.jsonl")
    async with World(settings=first) as world:
        assert () == await lines(world, "configuration.changed")
    changed = replace(first, api=first.api[:1])
    async with World(settings=changed) as world:
        (line,) = await lines(world, "configuration.changed")
        assert ["api"] == line["sections"]
        assert () == await lines(world, "keys.changed")
    from tests.internet import KEYS, Secret

    rotated = replace(changed, keys=replace(changed.keys, secrets=(Secret(KEYS[1]), Secret(KEYS[0]))))
    async with World(settings=rotated) as world:
        (line,) = await lines(world, "keys.changed")
        assert ([line["keys"][0]], []) == (line["added"], line["removed"])
        assert 8 == len(line["keys"][0])
        text = (tmp_path / "audit.jsonl").read_text()
        assert KEYS[0] not in text
        assert "neg-op-secret" not in text
        assert (await world.bffs[0].audit.reader.verify()).ok


async def test_changed_configuration_is_told_where_lines_cannot_be_read_back():
    """The session store remembers which one was seen last."""
    counts = []
    async with World() as world:
        other = {"api": world.settings.api[:1]}
        for changed in ({}, other, other, {}):
            world.clock.advance(1)
            bff = await world.start_worker(**changed)
            await eventually(lambda bff=bff: not bff.audit._waiting)
            counts.append(bff.audit._sink._head.seq)

    assert [2, 3, 2, 3] == counts, "where the log opens, what was loaded, and that it had changed"


async def test_session_store_remembers_how_long_the_file_was(audited, tmp_path):
    """Older copies of file and head record, which fit each other, are found out (see docs/audit.md)."""
    names = ("audit.jsonl", "audit.jsonl.head")
    bff = audited.bffs[0]
    await lines(audited, "configuration.loaded")
    copies = [(tmp_path / name).read_bytes() for name in names]
    browser = audited.browser()
    await browser.log_in()
    await lines(audited, "login.done")
    await bff._audit_duties.remember_end()
    for name, copy in zip(names, copies, strict=True):
        (tmp_path / name).write_bytes(copy)
    verified = await bff.audit.reader.verify()

    assert not verified.ok
    assert "the session store remembers line" in verified.problem.message


async def test_duties_are_done_every_minute_and_survive_what_is_away(audited, tmp_path):
    """A store or a file that cannot be had now is no reason to stop."""
    bff, slept = audited.bffs[0], []

    async def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 4:
            raise asyncio.CancelledError
        if len(slept) == 2:
            audited.store.fail("remember")
        if len(slept) == 3:
            (tmp_path / "audit.jsonl.head").write_bytes(b"damaged")

    with pytest.raises(asyncio.CancelledError):
        await bff._audit_duties.watch(sleep)

    assert [60.0] * 4 == slept


# ── while it cannot be written ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def refusing(tmp_path):
    """A world that does nothing unrecorded; its log's directory can be taken away."""
    folder = tmp_path / "log"
    folder.mkdir()
    settings = settings_with(folder / "audit.jsonl", when_full=WhenFull.REFUSE)
    async with World(settings=settings) as world:
        await lines(world, "configuration.loaded")
        yield world, folder, tmp_path / "away"


async def test_calls_and_logins_are_refused_while_nothing_can_be_recorded(refusing):
    """503 audit_unavailable with Retry-After; logout works, the session lives, and all is well again by itself."""
    world, folder, away = refusing
    browser, stranger, leaver = world.browser(), world.browser(), world.browser()
    await browser.log_in()
    await leaver.log_in()
    await lines(world, "login.done")
    folder.rename(away)
    await leaver.post("/bff/logout")
    await eventually(lambda: world.told("audit.failing"))

    answer = await browser.get("/api/me")
    assert (503, "audit_unavailable", "5") == (answer.status, answer.code, answer.header("retry-after"))
    assert 503 == (await stranger.get("/bff/login")).status
    assert 503 == (await stranger.get("/bff/callback?code=x&state=y")).status
    assert 200 == (await browser.get("/bff/user")).status
    assert [1] == [len(world.told("audit.failing"))]

    away.rename(folder)
    await eventually(lambda: world.told("audit.restored"))
    assert 200 == (await browser.get("/api/me")).status
    assert 1 == len(await lines(world, "logout.done")), "what waited was written"


async def test_dropping_log_lets_everything_go_on(tmp_path):
    """The default: an audit log that fails fails nobody."""
    async with World(settings=settings_with(tmp_path / "gone" / "audit.jsonl")) as world:
        browser = world.browser()
        await browser.log_in()

        assert 200 == (await browser.get("/api/me")).status
        await eventually(lambda: world.told("audit.failing"))
        (tmp_path / "gone").mkdir()

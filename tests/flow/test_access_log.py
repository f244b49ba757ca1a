"""A line for each request, and the request's id everywhere: in the answer, its problem document and every line."""

from dataclasses import replace

import pytest

from bff.config.settings import AdminSettings, ApiSettings, LogSettings, Secret
from bff.errors import UpstreamUnreachable
from tests.administered import managed
from tests.fake_upstream import Given
from tests.flow.test_sockets import Dialer, Socket
from tests.internet import World, eventually, make_settings

TOKEN = "t" * 43


@pytest.fixture
async def told():
    """A worker with the access log switched on."""
    settings = make_settings()
    routes = (*settings.api, ApiSettings("/socket", "http://upstream.test", websocket=True))
    log, admin = LogSettings(access=True), AdminSettings(token=Secret(TOKEN))
    async with World(settings=replace(settings, api=routes, log=log, admin=admin)) as world:
        yield world


def lines(world: World) -> list[dict[str, object]]:
    """The access lines, without what is another at each run."""
    left_out = {"seconds", "request_id"}
    return [
        {name: value for name, value in line.items() if name not in left_out} for line in world.told("request.done")
    ]


def line(status: int, path: str, size: int, **more: object) -> dict[str, object]:
    return {"method": "GET", "path": path, "status": status, "bytes": size, "address": "192.0.2.7", **more}


async def test_each_request_is_one_line_with_the_id_that_its_answer_tells(told):
    """A call, a file that is none, our own endpoint, a refusal: whoever answered."""
    browser = told.browser()
    await browser.log_in()
    told.events.clear()
    answers = [
        await browser.get("/api/tasks?secret=1"),
        await browser.get("/bff/user"),
        await browser.get("/nowhere"),
        await browser.get("/api/../x"),
        await browser.get("/api/x", csrf=False),
    ]

    sizes = [len(answer.body) for answer in answers]
    assert [
        line(200, "/api/tasks", sizes[0], route="/api"),
        line(200, "/bff/user", sizes[1]),
        line(404, "/nowhere", sizes[2]),
        line(400, "/api/../x", sizes[3], route="/api"),
        line(403, "/api/x", sizes[4], route="/api"),
    ] == lines(told)
    ids = [answer.header("x-request-id") for answer in answers]
    assert ids == [told_line["request_id"] for told_line in told.told("request.done")]
    assert 5 == len(set(ids))
    assert ids[2:] == [answer.document["request_id"] for answer in answers[2:]]
    assert all(0 <= told_line["seconds"] < 60 for told_line in told.told("request.done"))


async def test_websocket_is_one_line_when_it_is_over_refused_or_not(told):
    """101 for one that was open; the id is in the head of both answers (RFC 6455 §4.2.2)."""
    browser = told.browser()
    await browser.log_in()
    told.events.clear()
    told.bffs[0].sockets._dialer = Dialer()
    socket = Socket(browser, "/socket/x")
    await eventually(lambda: socket.sent)
    opened = dict(socket.sent[0]["headers"])[b"x-request-id"].decode()
    socket.leave()
    await socket.over()
    refused = Socket(browser, "/socket/x", origin="https://evil.test")
    await refused.over()

    assert [
        line(101, "/socket/x", 0, websocket=True),
        line(403, "/socket/x", len(refused.sent[1]["body"]), websocket=True),
    ] == lines(told)
    assert [opened, dict(refused.sent[0]["headers"])[b"x-request-id"].decode()] == [
        told_line["request_id"] for told_line in told.told("request.done")
    ]


async def test_answer_that_breaks_off_is_marked(told):
    """It looks complete to nobody (RFC 9112 §8), and not in the log either."""
    browser = told.browser()
    await browser.log_in()
    told.events.clear()
    told.upstream.script(Given(chunks=[b"half", UpstreamUnreachable()]))
    with pytest.raises(AssertionError):
        await browser.get("/api/tasks")

    assert [True] == [told_line.get("cut") for told_line in told.told("request.done")]


async def test_log_is_off_unless_asked_for(world):
    """And then nothing stands between the front door and the proxy."""
    browser = world.browser()
    await browser.log_in()
    await browser.get("/api/tasks")

    assert [] == world.told("request.done")


@pytest.mark.parametrize("target", ["/health/live", "/health/ready", "/metrics", "/admin/sessions", "/nowhere"])
@pytest.mark.parametrize("token", [TOKEN, None, "wrong"])
async def test_management_listener_names_each_request_in_its_answer(told, target, token):
    """Health, metrics and the admin API, whether they let somebody in or not."""
    answer = await managed(told, "GET", target, token=token)

    assert 32 == len(answer.header("x-request-id"))
    if answer.header("content-type").startswith("application/problem+json"):
        assert answer.header("x-request-id") == answer.document["request_id"]

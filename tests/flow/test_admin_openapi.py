"""The OpenAPI document of the admin API is true: every answer of every call is what it says."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from bff.config.settings import AuditSettings
from tests.administered import administered, handle_of, managed, signed_in
from tests.internet import PATIENCE, World
from tests.json_schema import problems, referred


@pytest.fixture
async def world():
    """A product that is administered and keeps its audit log where it can be searched."""
    settings = replace(administered(), audit=AuditSettings("store"))
    async with World(settings=settings) as world:
        yield world


async def document_of(world: World) -> Any:
    """What a program is told of the calls."""
    answer = await managed(world, "GET", "/admin/openapi.json")
    assert 200 == answer.status
    return answer.document


def declared(document: Any, method: str, path: str, status: int) -> Any:
    """The schema of an answer; None for one that is no JSON."""
    content = document["paths"][path][method.lower()]["responses"][str(status)].get("content", {})
    (media,) = content.values()
    return media["schema"]


async def test_every_answer_is_what_the_document_says(world):
    """Each call answers with its declared status and shape, with data in it wherever there can be any."""
    document = await document_of(world)
    bob = await signed_in(world, "bob")
    await signed_in(world, "alice")
    await bob.request("DELETE", "/api/tasks/1")
    handle = await handle_of(bob)
    async with asyncio.timeout(PATIENCE):  # seen people are written in the background
        while not (subjects := (await managed(world, "GET", "/admin/subjects")).document["items"]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    calls: list[tuple[str, str, str, Any]] = [
        ("GET", "/me", "/me", None),
        ("GET", "/overview", "/overview?window=3600", None),
        ("GET", "/sessions", "/sessions?limit=1", None),
        ("GET", "/sessions/{handle}", f"/sessions/{handle}", None),
        ("GET", "/subjects", "/subjects", None),
        ("GET", "/routes", "/routes", None),
        ("GET", "/findings", "/findings", None),
        ("GET", "/review", "/review", None),
        ("GET", "/review.csv", "/review.csv", None),
        ("GET", "/audit", "/audit?limit=3", None),
        ("POST", "/audit/verification", "/audit/verification", None),
        ("POST", "/decisions", "/decisions", {"method": "DELETE", "path": "/api/x", "session": handle}),
        ("POST", "/decisions", "/decisions", {"method": "GET", "path": "/nowhere"}),
        ("POST", "/revocations", "/revocations", {"subject": "bob"}),
    ]
    ruling = {"subject": subjects[0]["subject"], "decision": "keep", "note": "needed"}
    calls += [
        ("GET", "/subjects/{entry_id}", f"/subjects/{subjects[0]['id']}", None),
        ("POST", "/reviews", "/reviews", {"note": "x", "decisions": [ruling]}),
        ("GET", "/reviews", "/reviews", None),
    ]
    tried = set()
    for method, path, target, body in calls:
        answer = await managed(world, method, f"/admin{target}", body)
        assert answer.status in {200, 201}, (target, answer)
        schema = declared(document, method, f"/admin{path}", answer.status)
        if answer.header("content-type") == "application/json":
            assert [] == list(problems(answer.document, schema, document)), target
        else:
            assert "string" == schema["type"], target
        tried.add((method, f"/admin{path}"))
    told = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    assert told == tried


async def test_document_of_the_public_listener_tells_of_the_same_calls_there(world):
    """Both halves are one API under two addresses, each with its own proof."""
    alice = await signed_in(world)
    public = (await alice.get("/bff/admin/openapi.json")).document
    inner = await document_of(world)

    assert {f"/bff{path}" for path in inner["paths"]} == set(public["paths"])
    assert inner["components"]["schemas"] == public["components"]["schemas"]
    assert ["session"] == list(public["components"]["securitySchemes"])


@pytest.mark.parametrize(
    ("method", "target", "body", "token", "status"),
    [
        ("GET", "/me", None, None, 401),
        ("GET", "/sessions/nobody", None, "right", 404),
        ("GET", "/sessions?limit=0", None, "right", 422),
        ("POST", "/revocations", {}, "right", 422),
    ],
)
async def test_every_error_is_what_the_document_says(world, method, target, body, token, status):
    """Problem documents are declared, too (RFC 9457)."""
    document = await document_of(world)
    path = target.partition("?")[0].replace("nobody", "{handle}")

    answer = (
        await managed(world, method, f"/admin{target}", body)
        if token is not None
        else await managed(world, method, f"/admin{target}", body, token=None)
    )

    assert status == answer.status
    schema = declared(document, method, f"/admin{path}", status)
    assert [] == list(problems(answer.document, schema, document))


async def test_document_stands_alone(world):
    """Every reference leads somewhere, every operation has its words, and nothing is fetched from elsewhere."""
    document = await document_of(world)
    text = json.dumps(document)

    references = {part.split('"')[0] for part in text.split('"$ref": "')[1:]}
    assert all(referred(reference, document) for reference in references)
    assert "http" not in text.replace('"type": "http"', "").replace("https://op.test", "")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation.get("description"), path
    assert ["token"] == list(document["components"]["securitySchemes"])

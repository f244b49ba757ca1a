"""A mistake of our own."""

from tests.internet import World


async def test_a_crash_is_answered_with_a_problem_and_told_by_its_name_alone(world: World, monkeypatch):
    """RFC 9457: what the product did not foresee says nothing of itself to the browser, and is not silent."""
    browser = world.browser()
    await browser.log_in()

    def crash(*_: object) -> None:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr(world.bffs[0].api._front, "check_peer", crash)
    answer = await browser.get("/api/tasks")

    assert (500, "internal_error") == (answer.status, answer.code)
    assert b"secret" not in answer.body
    assert ["ZeroDivisionError"] == [told["error"] for told in world.told("request.crashed")]
    assert [] == world.upstream.seen

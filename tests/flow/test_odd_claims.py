"""Claims that are valid JSON and that hardly anybody expects cost nobody a session."""

HUGE = 10**30  # more than 64 bits hold


async def test_claim_with_a_huge_number_does_not_keep_anybody_out(world):
    """RFC 8259 §6: a number may have any size; what cannot be kept as it is becomes a float."""
    world.op.id_token = {"employee": HUGE}
    browser = world.browser()

    await browser.log_in()

    assert 200 == (await browser.get("/api/tasks")).status
    assert [] == world.told("request.crashed")


async def test_renewal_with_a_huge_number_loses_no_refresh_token(world):
    """The rotated token is written although its ID token brings such a claim."""
    browser = world.browser()
    await browser.log_in()
    world.op.id_token = {"employee": HUGE}
    for _ in range(2):
        world.clock.advance(296)
        assert 200 == (await browser.get("/api/tasks")).status

    assert 2 == world.refreshes()
    assert [] == world.told("background.crashed")

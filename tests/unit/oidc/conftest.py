from collections.abc import AsyncIterator

import pytest

from tests.oidc_world import World, make_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """An honest provider and a relying party that has not spoken to it yet."""
    world = make_world()
    yield world
    await world.close()

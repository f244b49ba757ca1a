"""A world for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.internet import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """One worker, one provider, one store."""
    async with World() as world:
        yield world


@pytest.fixture
async def two_workers() -> AsyncIterator[World]:
    """Two workers on one store."""
    async with World(workers=2) as world:
        yield world

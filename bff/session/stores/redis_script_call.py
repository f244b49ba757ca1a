"""How a script is called: by its hash, and with its text where the server does not know it yet."""

import hashlib
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError


class Script:
    """One script. redis-py's own sends the text to every node of a cluster, and fails when one of them is away."""

    def __init__(self, client: Redis, text: str) -> None:
        self._client = client
        self._text = text
        self._hash = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()  # as EVALSHA wants it

    async def __call__(self, keys: Sequence[str], arguments: Sequence[bytes | str | int | float]) -> Any:
        """Run it; a server that did not know it has run nothing of it."""
        try:
            return await self._client.evalsha(self._hash, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self._client.eval(self._text, len(keys), *keys, *arguments)

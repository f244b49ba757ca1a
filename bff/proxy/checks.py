"""Asking each of several addresses now and then how it is, so that it need not be found out by calls."""

import asyncio

from bff.errors import BffError, UpstreamTimeout, UpstreamUnreachable
from bff.events import Emit
from bff.proxy.backends import Backend, Backends
from bff.proxy.routes import Route

_HEADERS = (("accept", "*/*"), ("via", "1.1 bff"))


class Checks:
    """The checks of one route's addresses."""

    def __init__(self, route: Route, backends: Backends, emit: Emit) -> None:
        self._backends = backends
        self._emit = emit
        self._health = route.service.health
        self._patience = min(route.timeout, self._health.interval)

    async def run(self) -> None:
        """Ask again and again, all at once, until cancelled."""
        while True:
            await asyncio.gather(*(self.check(backend) for backend in self._backends.each))
            await asyncio.sleep(self._health.interval)

    async def check(self, backend: Backend) -> None:
        """Ask one address, and take note of what it says."""
        try:
            status = await self._ask(backend)
        except (UpstreamUnreachable, UpstreamTimeout) as error:
            self._backends.failed(backend, error)
        except BffError:
            return  # all its lines are in use: the calls on them tell how it is
        except Exception as error:  # noqa: BLE001 -- a mistake of ours: told, and no reason to check no more
            self._emit("background.crashed", {"task": "check-upstreams", "error": type(error).__name__})
        else:
            if 200 <= status < 400:
                self._backends.answered(backend)
            else:
                self._backends.failed(backend, UpstreamUnreachable())

    async def _ask(self, backend: Backend) -> int:
        pool = backend.pool
        line = pool.take(upload=False) or await pool.wait(upload=False)
        url = backend.origin + (self._health.path or "/")
        try:
            async with asyncio.timeout(self._patience):
                answer = await line.send("GET", url, list(_HEADERS), None)
                status = answer.status
                await answer.close()
        except TimeoutError as error:
            pool.discard(line)
            raise UpstreamTimeout from error
        except BffError:
            pool.give_back(line)
            raise
        except BaseException:
            pool.discard(line)
            raise
        pool.give_back(line)
        return status

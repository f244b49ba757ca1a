"""Who looks on as requests come and go: metrics, the access log. Whoever is switched off is not in the way."""

from collections.abc import Sequence
from functools import reduce

from bff.assembly.access_log import AccessLog
from bff.config.settings import Settings
from bff.events import Emit
from bff.observe.access_lines import build_access_writer
from bff.proxy.asgi import Asgi
from bff.proxy.call import Carry
from bff.web.front_door import Measure


class Observers:
    """Implements `Measure` by several of them, the first innermost."""

    def __init__(self, observers: Sequence[Measure]) -> None:
        self._observers = observers

    def carried(self, carry: Carry) -> Carry:
        """See `Measure.carried`."""
        return reduce(lambda inner, each: each.carried(inner), self._observers, carry)

    def served(self, serve: Asgi) -> Asgi:
        """See `Measure.served`."""
        return reduce(lambda inner, each: each.served(inner), self._observers, serve)

    def opened(self, serve: Asgi) -> Asgi:
        """See `Measure.opened`."""
        return reduce(lambda inner, each: each.opened(inner), self._observers, serve)


def build_observers(settings: Settings, metrics: Measure, emit: Emit | None) -> Observers:
    """Return those that the settings ask for; `emit` takes the access log in the place of standard error."""
    observers = [metrics]
    if settings.log.access:
        observers.append(AccessLog(emit or build_access_writer(settings.log.format.value)))
    return Observers(observers)

"""The product inside an existing Litestar application."""

from litestar.config.app import AppConfig
from litestar.plugins import InitPlugin

from bff.app import Bff, Parts
from bff.config.settings import Settings


class BFFPlugin(InitPlugin):
    """Adds the same to an existing Litestar application: `Litestar(plugins=[BFFPlugin(settings)])`.

    The application's own routes stay as they are. Its paths come through Litestar's router, so mount the product on
    its own with `build_app` where every microsecond counts.
    """

    def __init__(self, settings: Settings, parts: Parts | None = None) -> None:
        self.bff = Bff(settings, parts or Parts())

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """See `InitPlugin.on_app_init`."""
        return self.bff.plug_into(app_config)

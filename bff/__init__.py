"""A backend-for-frontend: OpenID Connect login, server-side tokens and a governed API proxy."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bff.app import Bff, Parts, build_app
    from bff.config import load_config
    from bff.plugin import BFFPlugin

__all__ = ["BFFPlugin", "Bff", "Parts", "__version__", "build_app", "load_config"]


def __getattr__(name: str) -> object:
    # Late, so that `bff --help` and reading the version do not wait for the whole server.
    if name == "BFFPlugin":
        from bff.plugin import BFFPlugin  # noqa: PLC0415

        return BFFPlugin
    if name in {"build_app", "Bff", "Parts"}:
        from bff import app  # noqa: PLC0415

        return getattr(app, name)
    if name == "load_config":
        from bff.config import load_config  # noqa: PLC0415

        return load_config
    raise AttributeError(name)

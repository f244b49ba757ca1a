"""The app's files, from the settings."""

from pathlib import Path

from bff.config.settings import Settings
from bff.web.spa import SpaFiles
from bff.web.spa_files import DEFAULT_PERMISSIONS
from bff.web.spa_policy import DEFAULT_POLICY


def build_files(settings: Settings) -> SpaFiles | None:
    """Return what serves the app's files; None where there are none.

    Raises:
        ValueError: the directory is not one of an app.
    """
    spa = settings.spa
    if spa is None or spa.directory is None:
        return None
    return SpaFiles(
        Path(spa.directory),
        spa.content_security_policy or DEFAULT_POLICY,
        spa.permissions_policy or DEFAULT_PERMISSIONS,
        spa.nonce_placeholder,
    )

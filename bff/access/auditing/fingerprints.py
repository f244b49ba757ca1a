"""Short names for a configuration and its parts, without anything secret. Pure."""

import dataclasses
import hashlib

from bff.config.settings import Settings

_DIGITS = 16


def section_fingerprints(settings: Settings) -> dict[str, str]:
    """Name each table of the configuration; equal names are equal settings. A secret counts as `***`."""
    return {
        each.name: _fingerprint(repr(getattr(settings, each.name)))[:8] for each in dataclasses.fields(settings)
    }


def configuration_fingerprint(sections: dict[str, str]) -> str:
    """Name the whole of it."""
    return _fingerprint(repr(sorted(sections.items())))


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_DIGITS]

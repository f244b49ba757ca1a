"""Frozen settings: loading, checking, secret sources. The only reader of files and environment."""

from bff.config.findings import ConfigError, Finding, Severity
from bff.config.load import load_config, load_with_findings
from bff.config.settings import Secret, Settings

__all__ = ["ConfigError", "Finding", "Secret", "Settings", "Severity", "load_config", "load_with_findings"]

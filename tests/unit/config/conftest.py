"""A configuration on disk, and what loading it says."""

import pytest

from bff.config import ConfigError, load_with_findings

KEY = "q4Hk0T0l1b3zqJ0C9m2sXw7dVt5yUe8RfGhAiPoLkNM"
OLD_KEY = "Zx8vB2nM4aS6dF1gH3jK5lQ7wE9rT0yUiOpLmNbVcX0"

VALID = """\
public_url = "https://app.example.com"
[oidc]
issuer = "https://id.example.com"
client_id = "spa"
client_secret = { env = "BFF_CLIENT_SECRET" }
[keys]
secrets = [{ file = "bff.keys" }]
[[api]]
path = "/api/orders"
upstream = "http://orders.internal:9001/v1/orders"
"""


class Disk:
    """A directory with a configuration and a key file, and an environment."""

    def __init__(self, directory):
        self.directory = directory
        self.file = directory / "bff.toml"
        self.environ = {"BFF_CLIENT_SECRET": "a client secret"}
        self.write("bff.keys", f"{KEY}\n")

    def write(self, name, text, mode=0o600):
        path = self.directory / name
        path.write_bytes(text.encode())
        path.chmod(mode)
        return path

    def load(self, text=VALID, **more):
        """The settings and warnings of this text."""
        self.write("bff.toml", text)
        return load_with_findings(self.file, environ=self.environ, **more)

    def settings(self, text=VALID, **more):
        return self.load(text, **more)[0]

    def complaints(self, text=VALID, **more):
        """Every finding as (severity, where, key, message, hint), whether or not loading stops."""
        try:
            findings = self.load(text, **more)[1]
        except ConfigError as error:
            findings = error.findings
        here = f"{self.directory}/"
        return [(f.severity.value, f.where.replace(here, ""), f.key, f.message, f.hint) for f in findings]


@pytest.fixture
def disk(tmp_path):
    return Disk(tmp_path)

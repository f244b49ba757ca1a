"""What happened, told by every room to whoever listens (logs, audit): a stable name and plain fields.

Fields never hold a token, a code, a cookie, a verifier or a secret.
"""

from collections.abc import Callable, Mapping

Emit = Callable[[str, Mapping[str, object]], None]


def ignore(_name: str, _fields: Mapping[str, object]) -> None:
    """Listen to nothing."""

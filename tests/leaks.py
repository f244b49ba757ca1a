"""Looks for secrets and persons in whatever a program wrote, in every form in which they might be written down."""

import base64
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

SHORTEST = 8  # characters: what is shorter is found everywhere by chance


def forms(secret: str) -> set[bytes]:
    """A secret as it is, percent-encoded, and inside base64 of either alphabet, wherever it begins there."""
    raw = secret.encode()
    found = {raw, quote(secret, safe="").encode(), quote_plus(secret).encode(), repr(secret)[1:-1].encode()}
    for before in range(3):
        # The characters at both ends depend on the neighbours too, and are left out.
        text = base64.b64encode(b"\0" * before + raw)[(0, 2, 3)[before] :]
        inner = text[: len(text) - 4 if text.endswith(b"=") else len(text)]
        found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return {form for form in found if len(form) >= SHORTEST}


def leaks(secrets: Mapping[str, Iterable[str]], places: Mapping[str, bytes]) -> list[str]:
    """What was found, as "kind in place"; never the secret itself."""
    found = []
    for kind, values in secrets.items():
        for value in {value for value in values if len(value) >= SHORTEST}:
            wanted = forms(value)
            found += [
                f"{kind} in {place}" for place, data in places.items() if any(form in data for form in wanted)
            ]
    return sorted(set(found))

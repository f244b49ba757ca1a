"""The parameters that a page may choose when it starts a login. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from bff.errors import BadRequest

PROMPTS = frozenset({"none", "login", "consent", "select_account", "create"})

_MAX_QUERY = 8192
_NAMES = frozenset({"prompt", "login_hint", "ui_locales", "acr_values", "max_age"})
_LOGIN_HINT = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,256}")
_UI_LOCALES = re.compile(r"[A-Za-z0-9-]{1,35}( [A-Za-z0-9-]{1,35}){0,9}")
_ACR_VALUES = re.compile(r"[A-Za-z0-9:/._~+#-]{1,128}( [A-Za-z0-9:/._~+#-]{1,128}){0,9}")
_MAX_AGE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class LoginParameters:
    """What was chosen. `max_age` and `acr_values` belong to the attempt, since the answer is held to them."""

    prompt: str | None = None
    login_hint: str | None = None
    ui_locales: str | None = None
    acr_values: str | None = None  # space separated
    max_age: int | None = None  # seconds

    @property
    def extras(self) -> dict[str, str]:
        """What goes to `build_authorization_url` beside the attempt."""
        chosen = {"prompt": self.prompt, "login_hint": self.login_hint, "ui_locales": self.ui_locales}
        return {name: value for name, value in chosen.items() if value is not None}


def parse_login_parameters(query: str | bytes) -> LoginParameters:
    """Read the allow-listed parameters of a login request (OIDC Core §3.1.2.1); every other one is ignored.

    Raises `BadRequest` for an allow-listed one that is repeated or not of its form.
    """
    text = query.decode("latin-1") if isinstance(query, bytes) else query
    if len(text) > _MAX_QUERY:
        raise BadRequest("The login request's query is too long.")
    found: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, errors="replace"):
        if name not in _NAMES:
            continue
        if name in found:
            raise BadRequest(f"The login parameter {name} came more than once.")
        found[name] = value
    max_age = _of_form("max_age", found.get("max_age"), _MAX_AGE)
    return LoginParameters(
        prompt=_known_prompt(found.get("prompt")),
        login_hint=_of_form("login_hint", found.get("login_hint"), _LOGIN_HINT),
        ui_locales=_of_form("ui_locales", found.get("ui_locales"), _UI_LOCALES),
        acr_values=_of_form("acr_values", found.get("acr_values"), _ACR_VALUES),
        max_age=int(max_age) if max_age is not None else None,
    )


def _of_form(name: str, value: str | None, form: re.Pattern[str]) -> str | None:
    if not value:
        return None
    if not form.fullmatch(value):
        raise BadRequest(f"The login parameter {name} is not of its form.")
    return value


def _known_prompt(value: str | None) -> str | None:
    if not value:
        return None
    words = value.split(" ")
    if not PROMPTS.issuperset(words) or len(set(words)) != len(words) or ("none" in words and len(words) > 1):
        raise BadRequest("The login parameter prompt is not of its form.")
    return value

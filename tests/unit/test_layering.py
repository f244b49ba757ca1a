"""Imports run one way, and each foreign library has its few modules: see docs/architecture.md."""

import ast
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "bff").rglob("*.py"))
NAMES = [path.relative_to(ROOT).as_posix() for path in MODULES]

# What each room may import of the others. A room not named here may be imported by nobody but `app` and `cli`.
GROUND = {"errors", "events"}
BELOW_THE_APP = {"http", "crypto", "oidc", "session", "access", "proxy", "web", "observe", "config"}
MAY_IMPORT = {
    "errors": set(),
    "events": set(),
    "http": {"errors"},
    "crypto": {"errors"},
    "config": {"crypto"},  # only to see that a key is one
    "oidc": GROUND | {"http", "crypto"},
    "session": GROUND | {"http", "crypto", "oidc"},
    "access": GROUND | {"http", "crypto", "oidc", "session", "config"},  # compiles the configured rules
    "proxy": GROUND | {"http", "crypto", "oidc", "session", "access"},
    "web": GROUND | {"http", "crypto", "oidc", "session", "access", "proxy"},
    "observe": GROUND,
    "from_settings": GROUND | BELOW_THE_APP,
    "assembly": GROUND | BELOW_THE_APP | {"from_settings"},
    "app": GROUND | BELOW_THE_APP | {"assembly", "from_settings", "bff"},
    "plugin": GROUND | BELOW_THE_APP | {"app"},
    "cli": GROUND | BELOW_THE_APP | {"from_settings", "assembly", "app", "bff"},
    "__main__": {"cli"},
    "__init__": {"app", "plugin", "config"},
}
MAY_USE = {
    "httpx": ["bff/oidc/transport.py"],
    "pyreqwest": ["bff/proxy/reqwest_line.py"],
    "httptools": ["bff/proxy/http1_connection.py"],
    "certifi": ["bff/crypto/trust.py"],
    "redis": ["bff/session/stores/redis*.py"],
    "aiosqlite": ["bff/session/stores/sqlite*.py"],
    "jwt": ["bff/oidc/jose.py"],
    "cryptography": ["bff/crypto/key_ring.py", "bff/crypto/certificates.py", "bff/oidc/jose.py"],
    "itsdangerous": ["bff/crypto/envelope.py"],
    "litestar": [
        "bff/web/*.py",
        "bff/app.py",
        "bff/plugin.py",
        "bff/assembly/*.py",
        "bff/proxy/mount.py",
        "bff/cli/worker.py",
        "bff/cli/readiness.py",
    ],
    "granian": ["bff/cli/*.py"],
    "structlog": ["bff/observe/*.py"],
    "rich_click": ["bff/cli/*.py"],
    "click": ["bff/cli/*.py"],
    "rich": ["bff/cli/*.py"],
    "websockets": ["bff/proxy/*.py"],
    "limits": ["bff/proxy/*.py", "bff/assembly/*.py"],
    "prometheus_client": ["bff/observe/*.py"],
    "opentelemetry": ["bff/observe/*.py"],
}
ANYWHERE = {"msgspec", "cachetools"}  # codecs and containers
STANDARD_ONLY = {"http": {"msgspec"}, "errors": set(), "events": set()}


def imports(path):
    """Every module that is imported anywhere in a file, as a dotted name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found.add(node.module or "")
            if node.module == "bff":
                found |= {f"bff.{alias.name}" for alias in node.names}
    return found


def room_of(path):
    """The room that a file lies in, or its own name."""
    parts = path.relative_to(ROOT / "bff").with_suffix("").parts
    return parts[0]


def rooms_imported(path):
    """The other rooms that a file imports from."""
    rooms = {name.split(".")[1] for name in imports(path) if name.startswith("bff.")}
    return {"bff" if room == "__version__" else room for room in rooms} - {room_of(path)}


def foreign(path):
    """The foreign libraries that a file imports."""
    import sys

    tops = {name.split(".")[0] for name in imports(path)}
    return {top for top in tops if top not in sys.stdlib_module_names and top != "bff"}


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_rooms_import_downwards_only(path):
    """A room knows those below it, and none above."""
    assert set() == rooms_imported(path) - MAY_IMPORT[room_of(path)]


def test_table_of_rooms_is_free_of_circles():
    """Whatever may be imported never may import back."""
    for room, below in MAY_IMPORT.items():
        for other in below - {"bff"}:
            assert room not in MAY_IMPORT[other], f"{room} and {other}"


def test_every_room_is_in_the_table():
    """A new room says what it stands on."""
    assert {room_of(path) for path in MODULES} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_foreign_libraries_stay_in_their_modules(path):
    """A library can be replaced in one place."""
    name = path.relative_to(ROOT).as_posix()
    strangers = {
        library
        for library in foreign(path) - ANYWHERE
        if not any(fnmatch(name, allowed) for allowed in MAY_USE.get(library, []))
    }

    assert set() == strangers
    assert set() == (foreign(path) - STANDARD_ONLY[room_of(path)] if room_of(path) in STANDARD_ONLY else set())


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_environment_is_read_by_configuration_and_commands_alone(path):
    """Everything else is handed its settings."""
    names = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
    }

    assert room_of(path) in {"config", "cli"} or set() == names & {"environ", "environb", "getenv", "putenv"}


@pytest.mark.parametrize("room", ["http", "crypto", "errors", "events"])
def test_ground_floor_neither_waits_nor_asks_the_time(room):
    """What everything stands on is pure: no await, no clock."""
    for path in MODULES:
        if room_of(path) == room:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            assert not any(isinstance(node, ast.Await | ast.AsyncFunctionDef) for node in ast.walk(tree)), path
            assert set() == imports(path) & {"asyncio", "time", "socket"}, path

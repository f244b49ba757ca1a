"""What a decision costs: 100 routes with 5 rules each, from the path to the answer, in one thread, without I/O."""

import timeit
from collections.abc import Callable
from statistics import median

from benchmarks.tables import print_table
from bff.access.configured import build_rule
from bff.access.facts import RequestFacts
from bff.access.policy import Policy, build_policy, decide
from bff.access.review_registry import Registry
from bff.access.usage import Usage
from bff.config.conditions import ClaimTest, parse_path_pattern, parse_time_window
from bff.config.settings import AllowSettings, Network
from bff.config.values import read_network
from bff.crypto.key_ring import KeyRing, new_key
from bff.events import ignore
from bff.oidc.token_set import TokenSet
from bff.proxy.routes import Route, RouteTable
from bff.session.live import LiveSession
from bff.session.principal import Principal
from bff.session.session import Session
from bff.session.stores.memory_documents import MemoryDocuments
from bff.session.ticket import new_ticket

_ROUTES = 100
_NOW = 1_795_514_400.0  # a Tuesday, 10:00 UTC
_ALICE = Principal(
    "https://issuer.example",
    "alice",
    frozenset(f"role-{number}" for number in range(20)) | {"reader", "editor"},
    {"sub": "alice", "dept": "sales", "groups": ["a", "b", "sales"], "acr": "gold", "auth_time": _NOW - 60},
)
_ROLE_RULES = [
    AllowSettings(methods=("GET", "HEAD"), roles=("reader",)),
    AllowSettings(methods=("POST",), roles=("editor",)),
    AllowSettings(methods=("PUT",), roles=("editor", "admin")),
    AllowSettings(methods=("PATCH",), roles=("admin",)),
    AllowSettings(methods=("DELETE",), roles=("admin", "owner")),
]
_LAST_OF_FIVE = [AllowSettings(roles=(f"nobody-{number}",)) for number in range(4)] + [
    AllowSettings(roles=("reader",))
]
_PATHS = [
    AllowSettings(path=parse_path_pattern("/admin/**"), deny=True),
    AllowSettings(path=parse_path_pattern("/teams/{team}"), roles=("lead",)),
    AllowSettings(path=parse_path_pattern("/teams/{team}/members/*"), roles=("lead",)),
    AllowSettings(path=parse_path_pattern("/users/{user}"), match={"user": "sub"}),
    AllowSettings(path=parse_path_pattern("/users/{user}/orders/*"), match={"user": "sub"}),
]


def _conditions(network: Network) -> list[AllowSettings]:
    return [
        AllowSettings(methods=("POST",), roles=("owner",)),
        AllowSettings(roles=("admin",), scopes=("orders:write",)),
        AllowSettings(
            roles=("reader",),
            scopes=("orders",),
            claims={"dept": ClaimTest("equals", "sales")},
            acr=("gold",),
            max_age=3600.0,
            times=(parse_time_window("mon-fri 08:00-18:00 Europe/Berlin"),),
            networks=(network,),
        ),
    ]


def _table(entries: list[AllowSettings]) -> RouteTable:
    def policy() -> Policy:
        return build_policy([build_rule(position, entry) for position, entry in enumerate(entries)])

    return RouteTable(
        [
            Route(f"/api/service-{number}", "http://up", True, True, "header", 30.0, 5.0, 1 << 20, policy=policy())
            for number in range(_ROUTES)
        ]
    )


def _decision(table: RouteTable, method: str, path: str) -> Callable[[], object]:
    raw_path = f"/api/service-77{path}".encode()
    found = table.match(raw_path)
    if found is None:
        raise AssertionError(path)
    route, rest = found

    def once() -> object:
        return decide(route.policy, RequestFacts(method, rest, _NOW, "10.1.2.3", "openid orders"), _ALICE)

    return once


def _matching(table: RouteTable) -> Callable[[], object]:
    return lambda: table.match(b"/api/service-77/orders/7")


def _noting() -> Callable[[], object]:
    registry = Registry(MemoryDocuments(), KeyRing([new_key()]), 86_400.0)
    usage = Usage(registry, [], lambda _grant: (), lambda: _NOW, ignore)
    ticket = new_ticket()
    live = LiveSession(ticket, ticket.store_key, 60.0)
    live.adopt(Session("handle", _ALICE, _ALICE.claims, TokenSet("token", _NOW, _NOW + 300), _NOW, _NOW + 3600), 1)
    return lambda: usage.note(live, "/api/service-77", "GET", 0, _NOW)


def _cost(once: Callable[[], object], rounds: int, calls: int) -> list[float]:
    return [seconds / calls * 1e6 for seconds in timeit.repeat(once, number=calls, repeat=rounds)]


def run(*, rounds: int = 9, calls: int = 20_000) -> None:
    """Measure and print."""
    roles, last, paths = _table(_ROLE_RULES), _table(_LAST_OF_FIVE), _table(_PATHS)
    everything = _table(_conditions(read_network("10.0.0.0/8")))
    cases = {
        "method and role": _decision(roles, "GET", "/orders/7"),
        "role, the last of five rules": _decision(last, "GET", "/orders/7"),
        "path and own parameter, the last of five rules": _decision(paths, "GET", "/users/alice/orders/7"),
        "role, scope, claim, login, hours and network at once": _decision(everything, "GET", "/orders/7"),
        "denied, with the reason worked out": _decision(roles, "DELETE", "/orders/7"),
        "finding the route (for comparison)": _matching(roles),
        "noting the use for the access review": _noting(),
    }
    rows = []
    for name, once in cases.items():
        found = _cost(once, rounds, calls)
        rows.append([name, f"{median(found):.2f}", f"{min(found):.2f}"])
    print_table(
        f"One decision with {_ROUTES} routes of 5 rules, facts included; {rounds} rounds of {calls} calls",
        ["", "median us", "least us"],
        rows,
    )


if __name__ == "__main__":
    run()

"""Which route a path belongs to."""

import pytest

from bff.proxy.routes import RouteTable
from tests.values import make_route

TABLE = RouteTable(
    [
        make_route("/api"),
        make_route("/api/orders", "http://orders.test/v1"),
        make_route("/api/orders/admin", "http://orders.test/admin"),
        make_route("/files", "http://files.test"),
    ]
)


@pytest.mark.parametrize(
    ("path", "route", "rest"),
    [
        (b"/api", "/api", ""),
        (b"/api/", "/api", "/"),
        (b"/api/x/y", "/api", "/x/y"),
        (b"/api/orders", "/api/orders", ""),
        (b"/api/orders/7", "/api/orders", "/7"),
        (b"/api/orders/admin/users", "/api/orders/admin", "/users"),
        (b"/api/orders-archive", "/api", "/orders-archive"),
        (b"/api/x%2Fy", "/api", "/x%2Fy"),
        (b"/api/x//y", "/api", "/x//y"),
        (b"/api/x;y=1/z", "/api", "/x;y=1/z"),
        (b"/api/X", "/api", "/X"),
        (b"/files/A%20B;v=1//c", "/files", "/A%20B;v=1//c"),
        (b"/api/\xc3\xa9", "/api", "/\xc3\xa9"),
    ],
)
def test_longest_route_by_whole_segments_wins_and_the_rest_travels_byte_for_byte(path, route, rest):
    """Nothing of what follows the route's path is touched."""
    found = TABLE.match(path)

    assert found is not None
    assert (route, rest) == (found[0].path, found[1])


@pytest.mark.parametrize(
    "path", [b"/", b"", b"/apix", b"/ap", b"/API", b"/%61pi/x", b"//api", b"api", b"/bff/user"]
)
def test_path_of_no_route_has_none(path):
    """A prefix of letters, another case, an escape or a doubled slash is another path."""
    assert None is TABLE.match(path)


@pytest.mark.parametrize(
    "path",
    [
        b"/api//orders",
        b"/api/%6frders",
        b"/api/%6Frders/7",
        b"/api/%256frders",
        b"/api/%25256frders",
        b"/api/orders;x=1",
        b"/api/orders;x/7",
        b"/api/;/orders",
        b"/api/Orders",
        b"/api%2Forders".replace(b"api%2F", b"api/%2F"),
        b"/api/orders%2Fadmin",
        b"/api/orders//admin",
        b"/api/orders/%61dmin",
        b"/api/orders/ADMIN/users",
        b"/api/%20orders",
        b"/api/orders%3Bx",
    ],
)
def test_path_that_an_upstream_might_read_as_another_route_belongs_to_none(path):
    """OWASP ASVS 4.2: what guards /api/orders/admin cannot be walked around by spelling it differently."""
    assert (None, True) == (TABLE.match(path), TABLE.is_disguised(path))


def test_without_nested_routes_no_spelling_is_refused():
    """Where nothing is guarded further in, every path below the route is the upstream's own business."""
    table = RouteTable([make_route("/api"), make_route("/files")])

    assert ["/Orders//x;y%2F"] == [found[1] for found in [table.match(b"/api/Orders//x;y%2F")] if found]


def test_table_knows_its_paths_and_may_be_empty():
    """A product without an API still serves pages."""
    assert (["/api", "/api/orders", "/api/orders/admin", "/files"], [], None) == (
        TABLE.paths,
        RouteTable([]).paths,
        RouteTable([]).match(b"/api"),
    )

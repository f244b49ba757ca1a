"""`bff access review` on a store that holds somebody: what it shows, what it records, what it refuses."""

import asyncio
import json
import time

import pytest

from bff.access.review_records import RecordedReview, Ruling, Seen
from bff.access.review_registry import Registry
from bff.config import load_config
from bff.crypto.key_ring import KeyRing
from bff.session.stores import documents_of, open_store

DAY = 86_400.0
RULES = """\
allow = [ { methods = ["GET"], roles = ["reader"] } ]
[session]
store = "sqlite:///sessions.db"
[review]
interval = "90d"
"""
ISSUER = "https://id.example.com"


def keep(work):
    """Do something with the registry of the configured store."""
    settings = load_config("bff.toml")

    async def run():
        store = open_store(settings.session.store.reveal())
        ring = KeyRing([secret.reveal() for secret in settings.keys.secrets])
        await store.open()
        try:
            return await work(Registry(documents_of(store), ring, settings.review.keep))
        finally:
            await store.close()

    return asyncio.run(run())


def seen(subject, *roles, days_ago=0.0, **more):
    """Somebody whose tokens said this."""
    at = time.time() - days_ago * DAY
    origins = tuple((role, "claim", "roles", "ID token") for role in roles)
    return Seen(
        ISSUER,
        subject,
        told_at=at,
        roles=roles,
        origins=origins,
        claims={},
        first_seen_at=at,
        last_login_at=at,
        **more,
    )


@pytest.fixture
def peopled(configured):
    """Alice reads; bob was last seen long ago."""
    file = configured(RULES)

    async def fill(registry):
        await registry.begin(time.time() - 100 * DAY)
        people = [seen("alice", "reader", name="Alice\x1b[31m"), seen("bob", "reader", "idle", days_ago=120)]
        assert [] == await registry.merge(people, time.time())

    keep(fill)
    return file


def decisions(directory, *lines, **more):
    """A file with decisions."""
    file = directory / "decisions.json"
    decided = [{"subject": subject, "decision": decision} for subject, decision in lines]
    file.write_text(json.dumps({"decisions": decided, **more}))
    return str(file)


@pytest.mark.usefixtures("peopled")
def test_table_tells_roles_origins_openings_and_findings(bff):
    """And nothing in a name steers the terminal."""
    result = bff("access", "review", "--sub", "bob")

    assert 0 == result.exit_code
    assert [
        "bob",
        "  role      reader: claim roles in the ID token",
        "  role      idle: claim roles in the ID token",
        "  opens     GET /api (rule 1): allow GET for reader",
    ] == result.stdout.splitlines()[:4]
    assert "  finding   unused_90_days" in result.stdout.splitlines()
    assert "  finding   role_opens_nothing:idle" in result.stdout.splitlines()
    assert "\x1b" not in bff("access", "review", "--sub", "alice").stdout


@pytest.mark.usefixtures("peopled")
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], {"alice", "bob"}),
        (["--role", "idle"], {"bob"}),
        (["--unused", "90d"], {"bob"}),
        (["--unused", "1h", "--role", "reader"], {"bob"}),
        (["--since", "30d"], {"alice"}),
        (["--finding", "role_opens_nothing:idle"], {"bob"}),
        (["--sub", "nobody"], set()),
    ],
)
def test_filters_narrow_what_is_shown(bff, options, found):
    """Each alone, and together."""
    shown = json.loads(bff("access", "review", "--format", "json", *options).stdout)

    assert found == {item["subject"] for item in shown}


@pytest.mark.usefixtures("peopled")
def test_what_is_recorded_is_shown_and_ends_a_review_that_was_due(bff, directory):
    """The linter and the check stop to warn."""
    assert "review_overdue" in bff("access", "lint").stdout
    recorded = bff(
        *("access", "review", "--by", "carol"),
        *("--record", decisions(directory, ("alice", "keep"), ("bob", "revoke"), note="autumn")),
    )
    (review,) = json.loads(bff("access", "review", "--history", "--format", "json").stdout)

    assert (0, "recorded: 1 kept, 1 revoked\n") == (recorded.exit_code, recorded.stdout)
    assert ("carol", "autumn", 1, 1) == tuple(review[key] for key in ("by", "note", "kept", "revoked"))
    assert "review    revoke, by carol" in bff("access", "review", "--sub", "bob").stdout
    assert "review_overdue" not in bff("access", "lint").stdout
    assert "carol  1 kept, 1 revoked: autumn\n1 review\n" in bff("access", "review", "--history").stdout


@pytest.mark.usefixtures("peopled")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"decisions": [{"subject": "mallory", "decision": "keep"}]}', "nobody called mallory was seen"),
        ('{"decisions": [{"subject": "bob", "decision": "perhaps"}]}', "decisions[0].decision is neither"),
        ('{"decisions": [{"subject": "bob"}]}', "`decision`"),
        ('{"decisions": []}', "decides nothing"),
        ('{"decisions": [], "by": "me"}', "`by`"),
        ("{", "is not what --record takes"),
        (
            '{"decisions": [{"subject": "bob", "decision": "keep"}, {"subject": "bob", "decision": "revoke"}]}',
            "decisions[1].subject was decided before",
        ),
    ],
)
def test_decisions_that_cannot_be_used_record_nothing(bff, directory, content, said):
    """The message says what is wrong, and where."""
    (directory / "decisions.json").write_text(content)
    result = bff("access", "review", "--record", "decisions.json", "--by", "carol")

    assert 1 == result.exit_code
    assert said in result.stderr
    assert "0 reviews\n" == bff("access", "review", "--history").stdout


@pytest.mark.usefixtures("peopled")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--record", "x.json"], "--by NAME"),
        (["--by", "carol"], "--record FILE"),
        (["--record", "x.json", "--by", "carol", "--role", "x"], "stand alone"),
        (["--history", "--format", "csv"], "--history takes"),
        (["--unused", "soon"], "--unused"),
        (["--since", "-3d"], "--since"),
    ],
)
def test_options_that_do_not_go_together_are_refused(bff, options, said):
    """Before anything is opened."""
    result = bff("access", "review", *options)

    assert 2 == result.exit_code
    assert said in result.stderr


@pytest.mark.usefixtures("peopled")
def test_a_file_that_is_not_there_is_said(bff):
    """By its name."""
    result = bff("access", "review", "--record", "nowhere.json", "--by", "carol")

    assert (1, True) == (result.exit_code, "nowhere.json cannot be read" in result.stderr)


def test_nothing_is_made_where_there_is_no_store_yet(bff, configured, directory):
    """The linter looks at a configuration before its first start."""
    configured(RULES)

    assert "review_overdue" not in bff("access", "lint").stdout
    assert not (directory / "sessions.db").exists()


@pytest.mark.usefixtures("peopled")
def test_history_pages_through_everything(bff):
    """The latest first."""

    async def fill(registry):
        for number in range(45):
            ruling = Ruling("alice", ISSUER, "keep")
            at = time.time() - number
            await registry.append(RecordedReview(at, f"by-{number}", "", None, (ruling,)), at)

    keep(fill)
    shown = json.loads(bff("access", "review", "--history", "--format", "json").stdout)

    assert [f"by-{number}" for number in range(45)] == [review["by"] for review in shown]


@pytest.mark.usefixtures("peopled")
def test_the_check_tells_when_the_review_is_due(bff, directory):
    """A warning once it is overdue; nothing where none is ever due."""
    from bff.cli.checks.outcome import Status
    from bff.cli.checks.review import check_review

    (before,) = asyncio.run(check_review(load_config("bff.toml")))
    bff("access", "review", "--by", "carol", "--record", decisions(directory, ("alice", "keep")))
    (after,) = asyncio.run(check_review(load_config("bff.toml")))
    text = (directory / "bff.toml").read_text()
    (directory / "bff.toml").write_text(text.replace('interval = "90d"', ""))

    assert (Status.WARN, "never reviewed yet; the review was due on") == (before.status, before.message[:41])
    assert (Status.OK, "access was last reviewed on") == (after.status, after.message[:27])
    assert [] == asyncio.run(check_review(load_config("bff.toml")))


@pytest.mark.usefixtures("peopled")
def test_a_store_that_cannot_be_asked_is_said_and_fails_nothing_else(bff, directory):
    """The linter goes on; the command ends with the reason."""
    for file in directory.glob("sessions.db*"):
        file.unlink()
    (directory / "sessions.db").write_text("this is no database, and long enough to be taken for one" * 100)
    linted = bff("access", "lint")
    shown = bff("access", "review")

    assert "whether a review is overdue cannot be told" in linted.stderr
    assert "review_overdue" not in linted.stdout
    assert 1 == shown.exit_code
    assert "the session store does not answer" in " ".join(shown.stderr.split())


def test_many_decisions_become_several_reviews():
    """A thousand to each; with a name that is unknown among them there is none."""
    from rich_click import ClickException

    from bff.access.review import UnknownSubjectError
    from bff.cli.access_review import record_all

    class Book:
        def __init__(self):
            self.parts = []

        async def check_known(self, rulings, now):
            if any(ruling.subject == "mallory" for ruling in rulings):
                raise UnknownSubjectError("mallory")

        async def record(self, by, note, rulings, now):
            self.parts.append((by, note, len(rulings)))

    def rulings(*names):
        return [Ruling(name, ISSUER, "keep") for name in names]

    book, other = Book(), Book()
    said = asyncio.run(record_all(book, "n", rulings(*map(str, range(2500))), "carol", 0.0))
    with pytest.raises(ClickException, match="nobody called mallory was seen"):
        asyncio.run(record_all(other, "n", rulings(*map(str, range(1000)), "mallory"), "carol", 0.0))

    assert "recorded: 2500 kept, 0 revoked" == said
    assert [("carol", "n", 1000), ("carol", "n", 1000), ("carol", "n", 500)] == book.parts
    assert [] == other.parts

"""The directory of sessions and their ending: pages that are bounded, filters that all hold, runs that go on."""

from bff.crypto.key_ring import KeyRing, new_key
from bff.oidc.token_set import TokenSet
from bff.session.directory import SCAN, Directory, Selection
from bff.session.ending import LOGGED_OUT, REVOKED_BEFORE, Ending, Progress
from bff.session.principal import Principal
from bff.session.session import Session
from bff.session.stores.memory import MemoryStore
from bff.session.ticket import new_ticket
from bff.session.vault import Vault

NOW = 1_800_000_000.0
ISSUER = "https://op.test"


class Population:
    """A store with some sessions in it."""

    def __init__(self):
        self.store = MemoryStore()
        self.vault = Vault(KeyRing([new_key()]), "spa")
        self.directory = Directory(self.store, self.vault, ISSUER)
        self.told = []

    async def add(self, subject, *roles, created_at=NOW - 10, issuer=ISSUER, vault=None):
        """Put in a session; return its handle."""
        ticket = new_ticket()
        session = Session(
            handle=ticket.store_key[:6].hex(),
            principal=Principal(issuer, subject, frozenset(roles)),
            claims={"sub": subject},
            tokens=TokenSet("at", NOW, NOW + 300),
            created_at=created_at,
            expires_at=NOW + 3600,
        )
        record = (vault or self.vault).seal(session, ticket, version=1, idle_expires_at=NOW + 1800)
        await self.store.create(record)
        return session.handle

    def ending(self, revoke_tokens=None):
        """What ends sessions here."""
        return Ending(
            store=self.store,
            directory=self.directory,
            end_records=self.store.end_many,
            revoke_tokens=revoke_tokens,
            clock=lambda: NOW,
            emit=lambda name, fields: self.told.append((name, fields)),
        )

    async def handles(self, **selection):
        """Every handle that a selection finds, over all pages."""
        found, after = [], b""
        while True:
            page = await self.directory.page(Selection(**selection), NOW, after=after, limit=7)
            found += [listed.record.handle for listed in page.items]
            if page.position is None:
                return sorted(found)
            after = page.position


async def test_page_looks_at_a_bounded_number_of_records_and_says_where_to_go_on():
    """One rare role among thousands of sessions costs no answer more than its share."""
    people = Population()
    for number in range(SCAN + 50):
        await people.add(f"u{number}", "reader")
    rare = [await people.add("rare", "admin"), await people.add("rare", "admin")]

    first = await people.directory.page(Selection(role="nobody's"), NOW)

    assert () == first.items
    assert first.position is not None
    assert sorted(rare) == await people.handles(role="admin")


async def test_every_criterion_must_hold():
    """A handle of somebody else's with a subject beside it finds nothing."""
    people = Population()
    alice = await people.add("alice", "admin", created_at=NOW - 100)
    bob = await people.add("bob", "admin", issuer="https://other.test")

    assert [alice] == await people.handles(handle=alice, subject="alice")
    assert [] == await people.handles(handle=alice, subject="bob")
    assert [bob] == await people.handles(subject="bob", issuer="https://other.test")
    assert [] == await people.handles(subject="bob")
    assert [alice] == await people.handles(role="admin", before=NOW - 50)
    assert sorted([alice, bob]) == await people.handles(client="spa")


async def test_session_whose_key_is_gone_is_listed_and_ended_with_all_others():
    """What nobody can read any more is shown as such, and no filter takes it for somebody's."""
    people = Population()
    lost = await people.add("carol", "admin", vault=Vault(KeyRing([new_key()]), "spa"))

    (listed,) = (await people.directory.page(Selection(), NOW)).items
    assert (lost, "?", frozenset()) == (listed.record.handle, listed.summary.subject, listed.roles)
    assert [] == await people.handles(role="admin")
    assert Progress(1, 1, 0) == await people.ending().run(Selection(), by="x")


async def test_run_tells_of_each_end_and_a_second_one_finds_nothing_left():
    """Whoever repeats a revocation does no harm."""
    people = Population()
    handles = [await people.add(f"u{number}", "reader") for number in range(450)]
    ending = people.ending()

    assert Progress(450, 450, 0) == await ending.run(Selection(role="reader"), by="alice")
    assert Progress(0, 0, 0) == await ending.run(Selection(role="reader"), by="alice")
    assert sorted(handles) == sorted(fields["session"] for _, fields in people.told)
    assert {("session.revoked", "alice")} == {(name, fields["by"]) for name, fields in people.told}


async def test_word_is_left_for_logins_before_anything_is_looked_for():
    """A login that is written while the sessions are read finds the word (and only where it concerns it)."""
    people = Population()

    async def words():
        subject = people.vault.subject_hashes(ISSUER, "bob")[0]
        return (
            await people.store.recall(REVOKED_BEFORE, NOW),
            await people.store.recall(LOGGED_OUT + subject, NOW),
        )

    await people.ending().run(Selection(), by="x", dry_run=True)
    await people.ending().run(Selection(role="admin"), by="x", dry_run=True)
    assert (None, None) == await words()
    await people.ending().run(Selection(before=NOW - 50), by="x")
    assert (NOW - 50, None) == await words()
    await people.ending().run(Selection(before=NOW - 90), by="x")
    assert (NOW - 50, None) == await words()  # the stricter one stands
    await people.ending().run(Selection(subject="bob"), by="x")
    assert (NOW - 50, NOW) == await words()
    await people.ending().run(Selection(), by="x")
    assert (NOW, NOW) == await words()


async def test_tokens_of_the_ended_are_revoked_after_all_have_ended():
    """An issuer that is slow keeps nobody's session alive."""
    people = Population()
    for number in range(40):
        await people.add(f"u{number}")
    left = []

    async def revoke(_key):
        left.append(len(await people.store.find(now=NOW)))

    progress = await people.ending(revoke).run(Selection(), by="x")

    assert [0] * 40 == left
    assert Progress(40, 40, 0) == progress

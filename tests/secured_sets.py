"""A cluster, and a set followed by sentinels, behind TLS that asks for certificates, with users of few rights.

The servers know no TLS. Each is behind a front, which has them say its own port where they would say theirs.
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.closing import Closing
from tests.store_sets import SERVICE, Cluster, Papers, SentinelSet, TlsFront, ask, write_papers

USER, PASSWORD = "bff", "s3cret"
WATCHER, WATCHWORD = "watcher", "w4tch"
WATCHER_RULES = ("-@all", "+sentinel|masters")
CLUSTER_RULES = ("+cluster|slots", "+command")


class SecuredSet(Closing):
    """The way in to servers that run elsewhere.

    Attributes:
        papers: what the fronts show and believe; a client may show them too.
        url: with everything that it takes to get in.
    """

    def __init__(
        self,
        servers: Sequence[int],
        sentinels: Sequence[int] = (),
        *,
        rules: Sequence[str],
        papers: Papers | None = None,
    ) -> None:
        """`papers` are those of the servers, when they differ from those of the sentinels."""
        self._directory = Path(tempfile.mkdtemp(prefix="papers-"))
        self.papers = write_papers(self._directory)
        more = rules if sentinels else (*rules, *CLUSTER_RULES)
        for port in servers:
            _admit(port, USER, PASSWORD, more)
        for port in sentinels:
            _admit(port, WATCHER, WATCHWORD, WATCHER_RULES)
        translations: dict[bytes, bytes] = {}
        self._fronts = []
        for port in servers:
            self._fronts.append(front := TlsFront(papers or self.papers, port, translations))
            translations[b"%d" % port] = b"%d" % front.port
        asked = self._fronts
        if sentinels:
            asked = [TlsFront(self.papers, port, translations) for port in sentinels]
            self._fronts = [*self._fronts, *asked]
        self._hosts = ",".join(f"127.0.0.1:{front.port}" for front in asked)
        self._has_sentinels = bool(sentinels)
        self.url = self.url_for(self.papers)

    def url_for(self, papers: Papers, **changes: str) -> str:
        """The URL of a client with these papers. Changes: `password`, `watchword` or further `options`."""
        password = changes.get("password", PASSWORD)
        query = f"{papers.query()}{changes.get('options', '')}"
        if not self._has_sentinels:
            return f"rediss+cluster://{USER}:{password}@{self._hosts}?{query}"
        watchword = changes.get("watchword", WATCHWORD)
        watcher = f"sentinel_username={WATCHER}&sentinel_password={watchword}"
        return f"rediss+sentinel://{USER}:{password}@{self._hosts}/{SERVICE}?{query}&{watcher}"

    def close(self) -> None:
        for front in self._fronts:
            front.close()
        shutil.rmtree(self._directory, ignore_errors=True)


def _admit(port: int, user: str, password: str, rules: Sequence[str]) -> None:
    with ask(port) as server:
        server.execute_command("ACL", "SETUSER", user, "reset", "on", f">{password}", *rules)


def secured_cluster(cluster: Cluster, rules: Sequence[str], papers: Papers | None = None) -> SecuredSet:
    """The way in to a cluster; `rules` are those of the user, besides what a cluster needs more."""
    return SecuredSet([server.port for server in cluster.servers], rules=rules, papers=papers)


def secured_sentinels(sentinels: SentinelSet, rules: Sequence[str], papers: Papers | None = None) -> SecuredSet:
    """The way in to a set with its sentinels; `papers` are those of the servers, if they have other ones."""
    ports = [server.port for server in sentinels.servers]
    return SecuredSet(ports, sentinels.sentinel_ports, rules=rules, papers=papers)

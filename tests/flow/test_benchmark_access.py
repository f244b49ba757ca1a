"""The benchmark of decisions decides what it says; how fast is for its table."""

from benchmarks import access


def test_benchmark_measures_each_kind_of_decision(capsys):
    """One row a kind, whatever the machine does meanwhile."""
    access.run(rounds=1, calls=2)
    kinds = [line.partition("  ")[0] for line in capsys.readouterr().out.splitlines()]

    assert [
        "method and role",
        "role, the last of five rules",
        "path and own parameter, the last of five rules",
        "role, scope, claim, login, hours and network at once",
        "denied, with the reason worked out",
        "finding the route (for comparison)",
        "noting the use for the access review",
    ] == kinds[5:12]

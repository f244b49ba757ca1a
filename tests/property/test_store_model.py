"""Session stores against a model of plain dicts, by whatever sequence of calls hypothesis thinks of."""

from itertools import count, repeat
from pathlib import Path

from tests.property.store_model import check_against_model


def test_the_store_in_memory_behaves_as_plain_dicts() -> None:
    """Whatever is asked of it in whatever order."""
    check_against_model(repeat("memory:"), examples=200)


def test_the_store_on_a_file_behaves_as_plain_dicts(tmp_path: Path) -> None:
    """The same, with SQL in between."""
    check_against_model((f"sqlite:///{tmp_path}/{number}.db" for number in count()), examples=40)

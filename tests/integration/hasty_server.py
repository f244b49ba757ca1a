"""The product, in which a token that an API refuses is never too young to be renewed: no test waits half a minute.

Set from outside, before the workers are forked: the product knows nothing of it.
"""

from bff.cli import main as product
from bff.proxy import refusals


def main() -> None:
    """The command line."""
    refusals._YOUNG = 0.0
    product()

"""The store in a cluster against the same model as the other stores: its lists lie on several nodes."""

from itertools import count

from tests.property.store_model import check_against_model
from tests.store_sets import Cluster


def test_the_store_in_a_cluster_behaves_as_plain_dicts(cluster: Cluster) -> None:
    """Whatever is asked of it in whatever order, one step after the other."""
    check_against_model((f"{cluster.url}?prefix=run{number}" for number in count()), examples=15)

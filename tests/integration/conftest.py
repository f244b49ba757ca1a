from tests.gateway_sites import around, site
from tests.world import bff, brief, echo, issuer, neg, neg_bff, world

__all__ = ["around", "bff", "brief", "echo", "issuer", "neg", "neg_bff", "site", "world"]

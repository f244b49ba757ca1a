from tests.world import bff, brief, echo, issuer, neg, neg_bff, world

__all__ = ["bff", "brief", "echo", "issuer", "neg", "neg_bff", "world"]

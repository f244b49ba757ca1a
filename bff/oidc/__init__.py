"""The OpenID Connect relying party."""

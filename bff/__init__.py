"""A backend-for-frontend: OpenID Connect login, server-side tokens and a governed API proxy."""

__version__ = "0.1.0"

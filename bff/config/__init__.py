"""Frozen settings: loading, checking, secret sources. The only reader of files and environment."""

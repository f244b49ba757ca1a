"""The admin API: one set of handlers, served to a token's holder or to a session with a role. See docs/admin.md."""

"""The directory of live sessions, with the roles that are assigned at the moment."""

from bff.access.assigned import Assigned
from bff.config.settings import Settings
from bff.session.directory import Directory
from bff.session.records import Store
from bff.session.session import Summary
from bff.session.vault import Vault


def build_directory(settings: Settings, store: Store, vault: Vault, assigned: Assigned) -> Directory:
    """Return what lists and finds sessions."""

    def roles_now(summary: Summary, now: float) -> frozenset[str]:
        return frozenset(summary.roles) | (assigned.roles(summary.subject, now) or frozenset())

    return Directory(store, vault, settings.oidc.issuer, roles_now)

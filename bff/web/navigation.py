"""Login, callback and logout are pages that a person goes to: nothing else may start them."""

from collections.abc import Mapping

from bff.errors import CrossSiteRequest


def check_navigation(headers: Mapping[str, str]) -> None:
    """Refuse images, frames, scripts' fetches and prefetches (OWASP ASVS 3.5.8; Fetch Metadata).

    Browsers that send no Fetch Metadata pass: what protects the flows themselves does not rest on it.

    Raises:
        CrossSiteRequest: the browser says that this is no navigation of the whole page.
    """
    if headers.get("sec-fetch-mode", "navigate") != "navigate" or headers.get("sec-fetch-dest", "document") not in {
        "document",
        "empty",
    }:
        raise CrossSiteRequest("This address is for navigation: set location.href instead of fetching it.")
    if "prefetch" in headers.get("sec-purpose", "") or headers.get("purpose") == "prefetch":
        raise CrossSiteRequest("This address is not prefetched, for going to it changes things.")

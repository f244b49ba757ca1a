"""A request on the way that browsers take: whether it comes here, as it was sent, and what the proxy adds to it."""

import json
import re
import time
from typing import Any
from urllib.parse import urlsplit

from bff.cli.checks.asking import Head, NoAnswer, ask
from bff.cli.checks.line import Way, check_line
from bff.cli.checks.outcome import Outcome, Status
from bff.config.settings import Settings
from bff.crypto.key_ring import KeyRing
from bff.web.doctor import HEADER, seal_question

_TIMEOUT = 10.0  # seconds
_PRETENDED = "203.0.113.77"  # of a network for documentation (RFC 5737): nobody's address
_ODD = "/a%2fb%7e?c=%2F+%20"  # what proxies like to rewrite, and must not
_CHECK = "public url"
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")


async def check_public(settings: Settings) -> list[Outcome]:
    """Go through the front door, as a browser would, and ask how the request arrived."""
    way = await check_line(Way(settings.public_url, _CHECK, "public_url", _TIMEOUT))
    if any(outcome.status is Status.FAIL for outcome in way):
        return [_from_here(outcome) for outcome in way]
    path = f"{settings.server.prefix}/doctor{_ODD}"
    ring = KeyRing([secret.reveal() for secret in settings.keys.secrets])
    headers = {HEADER: seal_question(ring, time.time()), "x-forwarded-for": _PRETENDED}
    try:
        head = await ask(settings.public_url + path, _TIMEOUT, headers)
        operators = await ask(f"{settings.public_url}/health/ready", _TIMEOUT)
    except NoAnswer as error:
        advice = "see that bff runs (bff run), and what the proxy says"
        return [*way, Outcome(Status.WARN, _CHECK, f"{settings.public_url} does not answer", advice, str(error))]
    return [*way, *assess_arrival(head, settings, path), *assess_operators(operators, settings)]


def assess_arrival(head: Head, settings: Settings, path: str) -> list[Outcome]:
    """What our server says of the request, or that it was not our server that answered."""
    told = _report_of(head)
    if told is None:
        return [_stranger(head, settings)]
    outcomes = [Outcome(Status.OK, _CHECK, f"{settings.public_url} leads to this server")]
    if _spelled(str(told["target"])) == _spelled(path):
        outcomes.append(Outcome(Status.OK, _CHECK, "path and query arrive as they were sent"))
    else:
        why = f"{path} arrived as {told['target']}"
        advice = "have the proxy pass the request target on as it is (nginx: proxy_pass without a path)"
        outcomes.append(Outcome(Status.FAIL, _CHECK, "the proxy rewrites paths", advice, why))
    return [*outcomes, _host(told, settings), *_address(told)]


def assess_operators(head: Head, settings: Settings) -> list[Outcome]:
    """Whether operators' paths answer where everybody is."""
    if head.status not in {200, 503} or b'"store_pushes"' not in head.body:
        return [Outcome(Status.OK, "management", "operators' paths do not answer at the public URL")]
    where = (
        'server.management_listen is "same"'
        if settings.server.management_listen == "same"
        else "the proxy leads there"
    )
    advice = "keep /health, /metrics and /admin from the public in the proxy"
    return [Outcome(Status.WARN, "management", "operators' paths answer at the public URL", advice, where)]


def _spelled(target: str) -> str:
    """Spell a target in the one way of RFC 3986 §6.2.2: proxies may respell what means the same, and some do."""
    return _ENCODED.sub(lambda found: _respelled(found[0]), target)


def _respelled(encoded: str) -> str:
    letter = chr(int(encoded[1:], 16))
    return letter if letter.isascii() and (letter.isalnum() or letter in "-._~") else encoded.upper()


def _report_of(head: Head) -> dict[str, Any] | None:
    try:
        told = json.loads(head.body) if head.status == 200 else None
    except ValueError:
        return None
    return told if isinstance(told, dict) and {"peer", "target", "headers", "trusted"} <= told.keys() else None


def _stranger(head: Head, settings: Settings) -> Outcome:
    try:
        code = str(json.loads(head.body).get("code", ""))[:60]
    except (ValueError, AttributeError):
        code = ""
    if code == "route_not_found":
        message = "a bff answers at the public URL, but not one with these keys"
        advice = "see that the server runs with this configuration, and that this machine's clock is right"
        return Outcome(Status.FAIL, _CHECK, message, advice, "it did not recognise a question sealed with them")
    if head.status in {502, 503, 504}:
        message = f"a proxy answers at the public URL with {head.status}"
        advice = f"start bff, and see that the proxy leads to {settings.server.listen}"
        return Outcome(Status.WARN, _CHECK, message, advice, "it does not reach bff")
    message = f"what answers at the public URL is not bff (status {head.status})"
    host = urlsplit(settings.public_url).netloc
    advice = f"have the proxy pass everything for {host} on to {settings.server.listen}"
    return Outcome(Status.FAIL, _CHECK, message, advice, head.headers.get("server", "")[:60])


def _host(told: dict[str, Any], settings: Settings) -> Outcome:
    host = urlsplit(settings.public_url).netloc
    if told.get("refused") is None:
        return Outcome(Status.OK, "proxy headers", f"requests arrive for {host}")
    why = f"Host: {told['headers'].get('host', 'none')} arrived, so every request is refused with {told['refused']}"
    advice = f"have the proxy pass Host: {host} on, or X-Forwarded-Host from an address in server.trusted_proxies"
    return Outcome(Status.FAIL, "proxy headers", "the proxy passes another Host on", advice, why)


def _address(told: dict[str, Any]) -> list[Outcome]:
    headers, peer = told["headers"], told["peer"]
    arrived = ", ".join(f"{name}: {value}" for name, value in sorted(headers.items()) if name != "host") or "none"
    if told.get("address") == _PRETENDED:
        why = f"X-Forwarded-For of the browser's own making was believed; arrived: {arrived}"
        advice = "have the proxy write X-Forwarded-For itself, or add to it the address that it sees"
        return [Outcome(Status.FAIL, "proxy headers", "browsers can choose their address", advice, why)]
    if told["trusted"] and headers.get("x-forwarded-for") is None:
        why = f"arrived from {peer}: {arrived}"
        advice = "have the proxy send X-Forwarded-For"
        message = "the proxy does not tell the browser's address: all of them count as one"
        return [Outcome(Status.WARN, "proxy headers", message, advice, why)]
    if not told["trusted"] and headers.get("x-forwarded-for", _PRETENDED) != _PRETENDED:
        why = f"arrived from {peer}: {arrived}"
        advice = f'name the proxy: server.trusted_proxies = ["{peer}"]'
        message = "the proxy's X-Forwarded-For is not believed: all browsers count as one"
        return [Outcome(Status.WARN, "proxy headers", message, advice, why)]
    return [Outcome(Status.OK, "proxy headers", f"arrived from {peer or 'a Unix socket'}: {arrived}")]


def _from_here(outcome: Outcome) -> Outcome:
    """The public URL may well be out of reach for the machine it leads to: that is no failure by itself."""
    if outcome.status is not Status.FAIL or "certificate" in outcome.message:
        return outcome
    advice = f"{outcome.advice}; browsers must reach it, even if this machine need not"
    return Outcome(Status.WARN, outcome.check, outcome.message, advice, outcome.why)

"""What a gateway is answered: the headers that it hands on, or a refusal in the form that it can pass. Pure."""

import json
from collections.abc import Awaitable, Sequence

from bff.http.cookies import keep_cookies
from bff.http.problems import NO_STORE, Headers
from bff.proxy.asgi import Message, Send
from bff.proxy.call import Call
from bff.proxy.forwarded import trace_header
from bff.proxy.gateway_request import Dialect
from bff.proxy.head import BELIEVED

# What an API could take for a word of ours, where the gateway removes headers that we name; it wants whole names.
ALWAYS_REMOVED = (
    *sorted(name.decode("ascii") for name in BELIEVED),
    "x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-forwarded-preferred-username",
    "x-forwarded-access-token", "x-forwarded-prefix", "x-forwarded-ssl", "x-auth-request-user",
    "x-auth-request-email", "x-auth-request-groups", "tracestate",
)  # fmt: skip


def build_granted(call: Call, dialect: Dialect, removable: Sequence[str]) -> Headers:
    """Return the headers of a yes; `removable` is what a gateway that asks is to remove, unless it is set."""
    head, route = call.head, call.route
    headers: Headers = [
        NO_STORE,
        (b"content-length", b"0"),
        (b"x-request-id", call.request_id.encode("ascii")),
        (b"traceparent", trace_header(head.traceparent, call.request_id)[1].encode("ascii")),
    ]
    if call.authorization is not None:
        headers.append((b"authorization", call.authorization.encode("latin-1")))
    if head.forward:  # what the route sets; nothing of the browser's is in it
        headers += [(name.encode("ascii"), value.encode("latin-1")) for name, value in head.forward]
    if route.forward_cookies and head.cookies:
        kept = keep_cookies(head.cookies, route.forward_cookies)
        if kept:
            headers.append((b"cookie", kept))
    if dialect.removes_on_demand:
        said = {name for name, _ in headers}
        gone = ",".join(name for name in removable if name.encode("ascii") not in said)
        headers.append((b"x-envoy-auth-headers-to-remove", gone.encode("ascii")))
    return headers


def told_in_headers(send: Send) -> Send:
    """Return a `send` for a gateway that lets only 401 and 403 through: headers say the rest."""
    refusal: list[Message] = []  # how it begins: its body is wanted first

    def answer(message: Message) -> Awaitable[None]:
        passes = not refusal and message.get("status", 200) == 200
        return send(message) if passes else _tell(send, refusal, message)

    return answer


async def _tell(send: Send, refusal: list[Message], message: Message) -> None:
    if not refusal:
        refusal.append(message)
        return
    status: int = refusal[0]["status"]
    document = json.dumps(json.loads(message["body"]), separators=(",", ":")).encode("ascii")
    told = [(b"x-bff-status", b"%d" % status), (b"x-bff-problem", document)]
    status = 401 if status in {302, 401} else 403
    await send({**refusal[0], "status": status, "headers": [*refusal[0]["headers"], *told]})
    await send(message)

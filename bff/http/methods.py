"""Methods of requests (RFC 9110 §9). Pure."""

USUAL = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ALLOW = ", ".join(USUAL)  # as an answer of 405 names them
# TRACE answers with what it was sent, our token included, and CONNECT makes a tunnel (RFC 9110 §9.3.8 and §9.3.6).
# Nor does a method with a small letter go on: our rules know it as another one, many upstreams as the same (§9.1).
NEVER_FORWARDED = frozenset({"TRACE", "TRACK", "CONNECT"})

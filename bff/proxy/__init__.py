"""Routes, the request path and the upstream client."""

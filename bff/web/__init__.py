"""The control plane on Litestar: /bff/*, the management listener, the example's files."""

"""Sessions: the cookie, the stores, the worker's cache, renewal."""

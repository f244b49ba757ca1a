"""The key ring and what is sealed with it."""

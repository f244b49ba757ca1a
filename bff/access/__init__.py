"""Principals, roles and policy decisions."""

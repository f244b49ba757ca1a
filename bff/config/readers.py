"""Which reader takes which key: the markers of `bff.config.settings`, by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from bff.config import addresses, choices, condition_readers, header_readers, session_rules, tracing_readers, values

Reader = Callable[[object], object]

READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "duration": values.read_duration,
        "positive duration": values.read_positive_duration,
        "size": values.read_size,
        "rate": values.read_rate,
        "count": values.read_count,
        "token": values.read_token,
        "header value": values.read_header_value,
        "header template": header_readers.read_header_template,
        "network": values.read_network,
        "origin": addresses.read_origin,
        "issuer": addresses.read_issuer,
        "upstream": addresses.read_upstream,
        "host": addresses.read_host,
        "target": addresses.read_own_target,
        "resource": addresses.read_resource,
        "route path": addresses.read_route_path,
        "listen address": addresses.read_listen,
        "management address": addresses.read_management_listen,
        "algorithm": choices.read_algorithm,
        "provider": choices.read_provider,
        "prompt": choices.read_prompt,
        "scope": choices.read_scope,
        "method": condition_readers.read_method,
        "path pattern": condition_readers.read_path_pattern,
        "time window": condition_readers.read_time_window,
        "claim test": condition_readers.read_claim_test,
        "callable": condition_readers.read_callable,
        "curve": condition_readers.read_curve,
        "access token type": condition_readers.read_access_token_type,
        "rsa bits": condition_readers.read_rsa_bits,
        "ipv4 prefix": session_rules.read_ipv4_prefix,
        "ipv6 prefix": session_rules.read_ipv6_prefix,
        "cookie name": choices.read_cookie_name,
        "csrf": choices.read_csrf,
        "token kind": choices.read_token_kind,
        "audit sink": choices.read_audit_sink,
        "collector": tracing_readers.read_collector,
        "fraction": values.read_fraction,
        "log level": choices.read_log_level,
    }
)

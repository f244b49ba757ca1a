"""What the relying party tells its operator: a name and reasons, never a token, a claim or a secret.

| event | when |
|---|---|
| `discovery_failed` | the discovery document could not be had or used: `reason` |
| `discovery_succeeded` | it could, for the first time or again |
| `issuer_metadata_weak` | it can be used, but will not go well with us: `reason`, see `metadata.weaknesses` |
| `jwks_fetched` | the key set was read: `keys` (their number) |
| `jwks_failed` | it could not be had or used: `reason` |
| `jwks_throttled` | a token named an unknown key again too soon: `retry_in` seconds |
| `client_refused` | the issuer refused *us*, which only an operator can mend: `status`, `error` |
| `token_rule_violated` | a token broke a rule: `rule` (a key of `[tokens]`, …), `token`, `reason`, `outcome` |
| `renewal_unchecked` | a renewal's token could not be checked: `token`, `reason` (`unknown_key`, …) |
"""

from collections.abc import Callable, Mapping

OnEvent = Callable[[str, Mapping[str, object]], None]


def ignore_event(_name: str, _details: Mapping[str, object]) -> None:
    """Tell nobody."""

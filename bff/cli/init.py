"""`bff init`: a first configuration and its key."""

import sys
from collections.abc import Callable
from pathlib import Path

import rich_click as click

from bff.cli.init_template import KEY_FILE, PROVIDERS, Answers, build_config, next_steps
from bff.config import ConfigError
from bff.config.addresses import read_issuer, read_origin, read_upstream
from bff.config.key_file import create_key_file, rotate_key_file
from bff.config.values import BadValue, read_text
from bff.crypto.key_ring import new_key


@click.command()
@click.option("--provider", type=click.Choice(list(PROVIDERS)), help="Whose login it is.")
@click.option("--issuer", help="The provider's issuer identifier, as its discovery document has it.")
@click.option("--client-id", help="What the provider knows this application by.")
@click.option("--public-url", help="The origin that the browser sees, such as https://app.example.com.")
@click.option("--upstream", help="The API behind /api, such as http://127.0.0.1:9001/v1.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=Path("bff.toml"), show_default=True
)
@click.option(
    "--force", is_flag=True, help="Overwrite the configuration; an existing key file gets a new key in front."
)
def init(
    provider: str | None,
    issuer: str | None,
    client_id: str | None,
    public_url: str | None,
    upstream: str | None,
    output: Path,
    *,
    force: bool,
) -> None:
    """Write a commented bff.toml and a key file. Asks for what is missing when there is a terminal to ask at."""
    asking = is_interactive()
    if provider is None:
        choices = click.Choice(list(PROVIDERS))
        provider = click.prompt("Provider", type=choices, default="generic") if asking else "generic"
    looks_like = PROVIDERS[provider].issuer
    given = {
        "issuer": (issuer, f"Issuer (such as {looks_like})", read_issuer),
        "client_id": (client_id, "Client ID", read_text),
        "public_url": (public_url, "Public URL (such as https://app.example.com)", read_origin),
        "upstream": (upstream, "API behind /api (such as http://127.0.0.1:9001)", read_upstream),
    }
    missing = [f"--{key.replace('_', '-')}" for key, (value, _, _) in given.items() if value is None]
    if missing and not asking:
        raise click.UsageError(f"nobody is there to ask: give {', '.join(missing)}")
    answers = Answers(provider, **{key: _answer(key, *parts) for key, parts in given.items()})
    _write(output, build_config(answers), force=force)
    click.echo(next_steps(answers, str(output)))


def is_interactive() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def _answer(key: str, value: str | None, question: str, read: Callable[[object], str]) -> str:
    """The checked value of an option, or of the answer to a question that is asked until it is right."""
    if value is None:
        return str(click.prompt(question, value_proc=lambda text: _checked(key, text, read)))
    return _checked(key, value, read)


def _checked(key: str, value: str, read: Callable[[object], str]) -> str:
    try:
        return read(value.strip())
    except BadValue as problem:
        expected = f"; expected {problem.expected}" if problem.expected else ""
        hint = f" ({problem.hint})" if problem.hint else ""
        raise click.BadParameter(
            f"it {problem.message}{expected}{hint}", param_hint=f"--{key.replace('_', '-')}"
        ) from None


def _write(output: Path, text: str, *, force: bool) -> None:
    """Write both files, or neither when one is there already and may not be touched."""
    key_file = output.with_name(KEY_FILE)
    if not force and (there := [str(path) for path in (output, key_file) if path.exists()]):
        verb = "exists" if len(there) == 1 else "exist"
        raise click.ClickException(f"{' and '.join(there)} {verb}. Nothing was written; --force overwrites.")
    try:
        if key_file.exists():
            rotate_key_file(key_file, new_key())
            told = f"put a new key in front of those in {key_file}"
        else:
            create_key_file(key_file, new_key())
            told = f"wrote {key_file} (a secret: readable by you alone, not for version control)"
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except ConfigError as error:
        told = "\n".join(map(str, error.findings))
        raise click.ClickException(f"{key_file} is there and holds no keys. Nothing was written.\n{told}") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or output} cannot be written: {error.strerror}") from None
    click.echo(f"Wrote {output}; {told}.")

"""`bff keys new` and `bff keys rotate`: the secret keys that seal cookies and stored sessions."""

from pathlib import Path

import rich_click as click

from bff.config import ConfigError
from bff.config.key_file import create_key_file, rotate_key_file
from bff.crypto.key_ring import new_key

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def keys() -> None:
    """Make and rotate the secret keys that seal cookies and stored sessions."""


@keys.command()
@click.option(
    "-o", "--output", type=_FILE, help="Write to this new file, readable by you alone, and print nothing."
)
def new(output: Path | None) -> None:
    """Print a new secret key, or write it to a file that must not exist yet."""
    if output is None:
        click.echo(new_key())
        return
    try:
        create_key_file(output, new_key())
    except FileExistsError:
        raise click.ClickException(
            f"{output} exists and was left alone. To put a new key in front of it: bff keys rotate {output}"
        ) from None
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from None
    click.echo(f"Wrote a new key to {output}. Name it in the configuration: [keys] secrets", err=True)


@keys.command()
@click.argument("file", type=_FILE)
def rotate(file: Path) -> None:
    """Put a new key in front of those in FILE. What older keys sealed still opens, so nobody is logged out."""
    try:
        count = rotate_key_file(file, new_key())
    except ConfigError as error:
        raise click.ClickException(f"{file} was left alone.\n" + "\n".join(map(str, error.findings))) from None
    except OSError as error:
        raise click.ClickException(f"{file} cannot be rotated: {error.strerror}") from None
    click.echo(f"{file} holds {count} keys now, the new one in front. Next:", err=True)
    click.echo("  1. copy the file to every machine; running servers take it on by themselves", err=True)
    click.echo("  2. after session.absolute_timeout has passed, remove the oldest line", err=True)

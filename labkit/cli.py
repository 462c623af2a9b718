"""The few things that run outside a notebook: ``lab``, ``doctor``, ``fetch``, ``cache``, ``demo``, and a few more.

Each command imports what it needs when it is called, so that ``labkit --help`` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from labkit import __version__
from labkit.errors import LabkitError


class _OneParagraphErrors(TyperGroup):
    """Show what labkit itself says of an error as one paragraph; an error that is a bug keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except LabkitError as error:
            typer.secho(str(error), fg=typer.colors.RED, err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_OneParagraphErrors,
    help="The lab bench for finding slow-moving landslides in InSAR.",
    no_args_is_help=True,
    add_completion=False,
    # plain tracebacks: the decorated ones print local variables, and a secret may be among them
    pretty_exceptions_enable=False,
)

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for a workshop server, with a warning.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


@app.command()
def lab(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of JupyterLab; the next free one when taken.")] = 8888,
    label_port: Annotated[int, typer.Option(help="Port of Label Studio; the next free one when taken.")] = 8080,
    notebooks: Annotated[Path | None, typer.Option(help="Folder of notebooks.  [default: notebooks]")] = None,
    browser: Annotated[bool, typer.Option(help="Open the first notebook on the screen.")] = True,
) -> None:
    """Open JupyterLab and Label Studio side by side; Ctrl-C stops both."""
    from labkit.lab import run_lab

    run_lab(host=host, port=port, label_port=label_port, notebooks=notebooks, browser=browser, say=_say)


@app.command()
def doctor() -> None:
    """Say what is installed, what answers, and what to do about each thing that is wrong."""
    from labkit.doctor import examine, report

    findings = examine()
    _say(report(findings))
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)


@app.command()
def fetch(
    addresses: Annotated[
        list[str], typer.Argument(help="Addresses of files, or text files that list them (address, hash) line by line.")
    ],
    into: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("data/pairs"),
    unzip: Annotated[bool, typer.Option("--unzip", help="Unpack zip archives, as HyP3 delivers them.")] = False,
) -> None:
    """Download pairs; run it again after a cut connection and it goes on where it stopped."""
    from labkit.read.fetch import fetch_files, read_addresses

    wanted: dict[str, str | None] = {}
    for word in addresses:
        wanted |= read_addresses(word) if Path(word).is_file() else {word: None}
    files = fetch_files(wanted, into, unzip=unzip)
    _say(f"{len(files)} {'file is' if len(files) == 1 else 'files are'} in {into}.")


@app.command()
def cache(
    pairs: Annotated[Path, typer.Argument(help="Folder of interferograms.")],
    target: Annotated[Path, typer.Argument(help="The cache to be, ending in .zarr.")],
    product: Annotated[str, typer.Option(help="Name of the reader.")] = "auto",
    skip: Annotated[bool, typer.Option("--skip", help="Leave damaged pairs out, and say which and why.")] = False,
) -> None:
    """Write interferograms into a compact cache that stacks faster; called again, it goes on where it was stopped."""
    from labkit.read import open_interferograms, write_cache

    ifgs = open_interferograms(pairs, product, on_error="skip" if skip else "raise")
    _say(f"The cache is in {write_cache(ifgs, target)}.")
    if ifgs.attrs.get("skipped_pairs"):
        _say(f"Left out:\n{ifgs.attrs['skipped_pairs']}")


@app.command()
def demo(folder: Annotated[Path, typer.Argument(help="Where it goes.")] = Path("data/demo")) -> None:
    """Make the simulated demo scene, unless it is there."""
    from labkit import simulate

    simulate.demo(folder)
    _say(f"The demo scene is in {folder}.")


@app.command()
def scene(
    name: Annotated[str, typer.Argument(help="tiny, demo, workshop (1.9 GB) or region (9.5 GB).")],
    seed: Annotated[int, typer.Option(help="Another number, another region.")] = 0,
    folder: Annotated[Path, typer.Option(help="Where scenes are kept.")] = Path("data"),
) -> None:
    """Make a simulated scene with known landslides, unless it is there whole; stopped, it goes on."""
    from labkit import simulate

    _say(f"The scene is in {simulate.stored(name, folder, seed=seed)}.")


@app.command()
def label_server(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; the next free one when taken.")] = 8080,
    prepare_only: Annotated[bool, typer.Option("--prepare-only", help="Only make its environment.")] = False,
) -> None:
    """Run Label Studio alone, until Ctrl-C."""
    if prepare_only:
        from labkit.label import ensure_environment

        _say(f"Label Studio is ready: {ensure_environment()}")
    else:
        from labkit.lab import run_label_server

        run_label_server(host=host, port=port, say=_say)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def _say(words: str) -> None:
    typer.echo(words)
    sys.stdout.flush()  # what a person waits for shows at once, in a pipe too

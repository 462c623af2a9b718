"""The few things that run outside a notebook: ``lab``, ``doctor``, ``fetch``, ``cache``, ``demo``, and a few more.

Each command imports what it needs when it is called, so that ``labkit --help`` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from labkit import __version__, home
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


Database = Annotated[
    str | None,
    typer.Option(
        help="sqlite, or postgresql://USER:PASSWORD@HOST:PORT/NAME for a team; remembered. A password is better given "
        "in the variable, which no list of processes shows.",
        envvar="LABKIT_LABEL_STUDIO_DATABASE",
        show_envvar=True,
    ),
]


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
    database: Database = None,
    notebooks: Annotated[Path | None, typer.Option(help="Folder of notebooks. Default: notebooks.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the first notebook on the screen.")] = True,
) -> None:
    """Open JupyterLab and Label Studio side by side; Ctrl-C stops both."""
    from labkit.lab import run_lab

    run_lab(
        host=host,
        port=port,
        label_port=label_port,
        database=database,
        notebooks=notebooks,
        browser=browser,
        say=_say,
    )


@app.command()
def doctor() -> None:
    """Say what is installed, what answers, and what to do about each thing that is wrong."""
    from labkit.health import examine, report

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
def train(
    config: Annotated[Path, typer.Argument(help="TOML or JSON: scenes, chips, labels, out, and what else is said.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on where this training was stopped.")] = False,
) -> None:
    """Train a detector for a night, by a file; killed, it goes on with --resume to the same weights."""
    from labkit import night
    from labkit.train.processes import is_first_process
    from labkit.view import live_losses

    detector = night.train(night.read_plan(config), resume=resume, watch=live_losses())
    if is_first_process():
        _say(f"{detector!r} is trained. Its card is README.md in its folder.")


@app.command()
def region(
    config: Annotated[Path, typer.Argument(help="TOML or JSON: tracks, out, detector, and what else is said.")],
    scheduler: Annotated[
        str | None, typer.Option(help="tcp://host:port of a dask scheduler; without it this machine's processes.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes on this machine. Default: one a core.")] = None,
    one_process: Annotated[bool, typer.Option("--one-process", help="Run all here, one after the other.")] = False,
) -> None:
    """Read, stack and search many bursts and map what moves; stopped, it goes on where it was when called again."""
    from labkit.region import read_plan, run_region

    plan = read_plan(config)
    try:
        report = run_region(plan, scheduler=scheduler, workers=workers, one_process=one_process)
    except KeyboardInterrupt:
        _say(f"Stopped. What is complete stands in {plan.results}; the same command goes on from there.")
        raise typer.Exit(130) from None
    _say(f"{report}\nThe results are in {plan.results}.")
    if report.failed:
        raise typer.Exit(1)


label_server = typer.Typer(invoke_without_command=True, pretty_exceptions_enable=False)
app.add_typer(label_server, name="label-server")


@label_server.callback()
def _label_server(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; the next free one when taken.")] = 8080,
    database: Database = None,
    prepare_only: Annotated[bool, typer.Option("--prepare-only", help="Only make its environment.")] = False,
) -> None:
    """Run Label Studio alone, until Ctrl-C; or back it up, restore it, let people in."""
    if context.invoked_subcommand is not None:
        return
    if prepare_only:
        from labkit.label import ensure_environment

        _say(f"Label Studio is ready: {ensure_environment()}")
    else:
        from labkit.lab import run_label_server

        run_label_server(host=host, port=port, database=database, say=_say)


@label_server.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The backup to be, e.g. labels.tar.")],
    images: Annotated[bool, typer.Option(help="With the images that are served.")] = True,
) -> None:
    """Write all that Label Studio knows into one file, also while it runs. It holds secrets: keep it private."""
    from labkit.label import back_up

    _say(f"The backup is in {back_up(file, images=images)}.")


@label_server.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A backup, or a snapshot of the last hours or days.")],
    replace: Annotated[bool, typer.Option("--replace", help="Where there are data already; they are kept.")] = False,
) -> None:
    """Put a backup back; the server must be stopped."""
    from labkit.label import restore as put_back

    kept = put_back(file, replace=replace)
    _say(f"{file} is restored." + (f" What was there before is in {kept}." if kept else ""))


@label_server.command()
def snapshots() -> None:
    """List the copies of the database that are made every ten minutes while the server runs."""
    from labkit.label.snapshots import list_snapshots

    found = list_snapshots()
    _say("\n".join(map(str, found)) if found else "There is no snapshot yet.")


Address = Annotated[str | None, typer.Option(help="Of the server, as the people reach it. Default: on this machine.")]


@label_server.command()
def users(
    names: Annotated[Path, typer.Argument(help="A text file: a name, or 'name, e-mail address', on each line.")],
    sheet: Annotated[
        Path | None, typer.Option(help="To print and cut; it holds the passwords. Default: .labkit/people.html.")
    ] = None,
    address: Address = None,
) -> None:
    """Make accounts for the people of a workshop; who has one keeps it."""
    from labkit.label.people import add_people, read_people, write_sheet

    people = add_people(read_people(names))
    new = sum(bool(person.password) for person in people)
    written = write_sheet(people, sheet or home.folder() / "people.html", address or _label_studio_address())
    _say(f"{new} of {len(people)} people are new. The sheet with their passwords is {written}.")


@label_server.command()
def new_password(
    email: Annotated[str, typer.Argument(help="User name (e-mail address) of who lost it.")],
    sheet: Annotated[
        Path | None, typer.Option(help="The slip to print; it holds the password. Default: .labkit/password.html.")
    ] = None,
    address: Address = None,
) -> None:
    """Give somebody a new password."""
    from labkit.label.people import reset_password, write_sheet

    slip = sheet or home.folder() / "password.html"
    written = write_sheet([reset_password(email)], slip, address or _label_studio_address())
    _say(f"The new password is in {written}")


def _label_studio_address() -> str:
    from labkit.label import find_server

    running = find_server()
    return "http://127.0.0.1:8080" if running is None else running.url


class _MakesByDefault(TyperGroup):
    """`labkit workshop FOLDER` is `labkit workshop make FOLDER`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command's name before a folder."""
        named = args and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if named or not args else ["make", *args])


workshop = typer.Typer(
    cls=_MakesByDefault,
    help="Everything for a room of people in one folder: make it, open it, put somebody's notebooks back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(workshop, name="workshop")


@workshop.command()
def make(
    folder: Annotated[Path, typer.Argument(help="New, or a workshop that shall be completed.")],
    people: Annotated[int, typer.Option(help="How many.")] = 30,
    names: Annotated[Path | None, typer.Option(help="A text file: a name, or 'name, e-mail', on each line.")] = None,
    notebooks: Annotated[Path, typer.Option(help="The notebooks that everybody gets.")] = Path("notebooks"),
    scene: Annotated[
        list[str] | None, typer.Option(help="demo, workshop (1.9 GB), course (190 MB). Default: all.")
    ] = None,
    wheels: Annotated[bool, typer.Option(help="Fetch all packages, to install without a network.")] = True,
) -> None:
    """Make the folder of a workshop; the word make can be left out. Stopped, it goes on when called again."""
    from labkit.workshop.making import SCENES, make_workshop

    room = make_workshop(
        folder, people=people, names=names, notebooks=notebooks, scenes=scene or SCENES, with_wheels=wheels, say=_say
    )
    _say(f"The workshop is in {room.folder}; its README.md says how to go on.")


@workshop.command("open")
def open_(
    folder: Annotated[Path, typer.Argument(help="Of a workshop.")],
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the hub; the next free one when taken.")] = 8000,
    label_port: Annotated[int, typer.Option(help="Port of Label Studio; the next free one when taken.")] = 8080,
    label_studio: Annotated[bool, typer.Option(help="Run Label Studio, too.")] = True,
    one_user: Annotated[bool, typer.Option("--one-user", help="As root: run all servers as root itself.")] = False,
) -> None:
    """Let the people in: one server for each, one Label Studio, a page of progress; Ctrl-C stops all."""
    from labkit.workshop.opening import open_workshop

    open_workshop(
        folder, host=host, port=port, label_port=label_port, label_studio=label_studio, one_user=one_user, say=_say
    )


@workshop.command()
def reset(
    folder: Annotated[Path, typer.Argument(help="Of a workshop.")],
    name: Annotated[str, typer.Argument(help="Of an account, as person.07.")],
) -> None:
    """Put somebody's notebooks back to the start; what was there is kept in that person's home."""
    from labkit.workshop.homes import reset_for
    from labkit.workshop.layout import KEPT, Workshop

    room = Workshop.open(folder)
    reset_for(room, name)
    _say(f"The notebooks of {name} are as at the start; what was there is in {room.home(name) / KEPT}.")


@workshop.command("new-password")
def renew_password(
    folder: Annotated[Path, typer.Argument(help="Of a workshop.")],
    name: Annotated[str, typer.Argument(help="Of an account, as person.07.")],
) -> None:
    """Give somebody who lost it a new password, also while the workshop is open."""
    from labkit.label.people import write_sheet
    from labkit.workshop.accounts import renew
    from labkit.workshop.layout import Workshop

    room = Workshop.open(folder)
    with room.as_bench():
        person = renew(room, name)
    _say(f"The new password is in {write_sheet([person], room.private / f'{name}.html', 'the address of the room')}")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def _say(words: str) -> None:
    typer.echo(words)
    sys.stdout.flush()  # what a person waits for shows at once, in a pipe too

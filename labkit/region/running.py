"""Run the bursts of a region in this process, in several of this machine, or on a cluster of dask's; then merge."""

from __future__ import annotations

import os
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from labkit.errors import LabkitError, ServerError
from labkit.files import whole
from labkit.region.burst import Outcome, Task, make_burst
from labkit.region.plan import COUPLETS, Plan, find_bursts
from labkit.region.records import read_record, sha256
from labkit.region.together import RECORD, burst_home, put_together
from labkit.wording import counted

if TYPE_CHECKING:
    from distributed import Client

#: The table of all bursts, and beside a burst's results where a bug stopped it.
BURSTS, TRACE = "bursts.csv", "failed.txt"

_CONNECT_SECONDS = 20


@dataclass(frozen=True)
class Report:
    """What became of a region.

    Attributes
    ----------
    outcomes : tuple of Outcome
        Of each burst, in the order of the plan.
    maps : str
        Why the maps were made, "" where they stood, and None where no burst did.
    landslides : int
        How many there are after merging.

    Examples
    --------
    A second run makes nothing anew:

    >>> import tempfile
    >>> import labkit as lk
    >>> from labkit.region import Plan, run_region
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     home = lk.simulate.write_scene(lk.simulate.scene("tiny"), f"{folder}/valley")
    ...     plan = Plan({"up": ("ascending",)}, "results", "couplets", formats=("gpkg",), folder=home)
    ...     for run in ("first", "second"):
    ...         report = run_region(plan, one_process=True, progress=False)
    ...         print(run, [outcome.state for outcome in report.outcomes], report.landslides)
    first ['made'] 4
    second ['there'] 4
    >>> report.failed
    ()
    """

    outcomes: tuple[Outcome, ...]
    maps: str | None
    landslides: int

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The bursts that are not in the maps."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == "failed")

    def __str__(self) -> str:
        counts = Counter(outcome.state for outcome in self.outcomes)
        words = ", ".join(f"{counts[state]} {state}" for state in ("made", "there", "failed") if counts[state])
        lines = [f"{counted(len(self.outcomes), 'burst')}: {words}. {counted(self.landslides, 'landslide')}."]
        lines += [f"{o.scene}: {o.reason}" for o in self.outcomes if o.state == "made" and "not there" not in o.reason]
        lines += [f"{o.scene} failed: {o.reason}" for o in self.failed]
        return "\n".join(lines)

    __repr__ = __str__


def run_region(
    plan: Plan,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    one_process: bool = False,
    progress: bool = True,
) -> Report:
    """Read, stack and search every burst of a plan, then merge all and make the maps.

    Parameters
    ----------
    plan : Plan
        Of :func:`labkit.region.read_plan`.
    scheduler : str, optional
        Address of a running dask.distributed scheduler, ``tcp://host:port``. Its workers need the same labkit and see
        the folders under the same paths.
    workers : int, optional
        Processes on this machine where no scheduler is given; by default one for each ``plan.threads`` cores.
    one_process : bool
        Run all here, one after the other.
    progress : bool
        Show a bar over the bursts.

    Returns
    -------
    Report
        What became of each burst; ``bursts.csv`` in the folder of the results says the same.

    Raises
    ------
    LabkitError
        The plan names no burst or no detector that there is, or another run writes into the same folder.
    ServerError
        The scheduler does not answer.

    Notes
    -----
    Called again, it makes what is missing, what is not as it was written (SHA-256), and what was made from other files
    or settings. A burst that fails is told of, and the rest goes on; one whose process dies is tried three times more.
    Schedulers and workers that are started here listen on this machine alone. Tables and stacks are the same bit for
    bit, however they are run, on processors of one kind and with the same ``plan.threads``.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> from labkit.region import Plan, run_region
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     home = lk.simulate.write_scene(lk.simulate.scene("tiny"), f"{folder}/valley")
    ...     plan = Plan({"up": ("ascending",)}, "results", "couplets", formats=("gpkg",), folder=home)
    ...     report = run_region(plan, one_process=True, progress=False)
    ...     sorted(path.name for path in plan.results.iterdir() if not path.name.startswith("."))
    ['bursts', 'bursts.csv', 'density.tif', 'landslides.gpkg', 'region.json']
    >>> print(report)
    1 burst: 1 made. 4 landslides.
    """
    if one_process and (scheduler or workers):
        raise LabkitError("one_process must be alone, instead got a scheduler or workers too. Choose one way to run")
    if workers is not None and workers < 1:
        raise LabkitError(f"workers must be at least 1, instead got workers={workers}")
    tasks = _tasks(plan)
    with ExitStack() as held:
        held.enter_context(_alone(plan.results))
        if one_process:
            coming: Iterator[Outcome] = map(make_burst, tasks)
        else:
            client = held.enter_context(_connected(scheduler, workers or _processes(plan, len(tasks))))
            coming = _on_cluster(tasks, client)
        found: dict[str, Outcome] = {}
        with tqdm(coming, total=len(tasks), desc="bursts", unit="burst", disable=not progress) as bar:
            for outcome in bar:
                found[outcome.scene] = outcome
                _note(plan, outcome)
                bar.set_postfix(Counter(o.state for o in found.values()))
        outcomes = tuple(found[task.burst.scene] for task in tasks)
        _write_bursts(plan, outcomes)
        standing = [outcome for outcome in outcomes if outcome.state != "failed"]
        why = put_together(plan, standing) if standing else None
        record = read_record(plan.results / RECORD) if standing else None
    return Report(outcomes, why, record["summary"]["landslides"] if record else 0)


def _tasks(plan: Plan) -> list[Task]:
    """Name every burst, and settle which detector it is before any worker looks for it."""
    digest = ""
    if plan.detector != COUPLETS:
        from labkit.train.checkpoint import DESCRIPTION, detector_folder, load_detector

        beside = plan.folder / plan.detector
        folder = detector_folder(beside if (beside / DESCRIPTION).is_file() else plan.detector).absolute()
        kind = load_detector(folder).kind
        if kind != "gradients":
            raise LabkitError(f"detector must be one for gradients, which a region stacks, instead got one for {kind}")
        plan, digest = replace(plan, detector=str(folder)), sha256(folder / DESCRIPTION)
    return [Task(burst, burst_home(plan, burst.scene), plan, digest) for burst in find_bursts(plan)]


def _alone(results: Path) -> FileLock:
    """Hold the results for this run: two at a time would take each other's files for damaged."""
    results.mkdir(parents=True, exist_ok=True)
    lock = FileLock(results / ".running.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise LabkitError(
            f"out must be a folder that no other run writes into, instead one is at work in {results}. Wait for it"
        ) from error
    for left in results.glob("bursts/*/.*"):  # what a killed process had begun to write
        shutil.rmtree(left, ignore_errors=True)
    return lock


def _processes(plan: Plan, bursts: int) -> int:
    return max(1, min((os.cpu_count() or 1) // plan.threads, bursts))


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Leave the environment as it is found: dask's nannies set variables for their workers in the process itself."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _connected(scheduler: str | None, workers: int) -> Iterator[Client]:
    """Give a client of a scheduler that runs, or of one that is started here and stopped in the end."""
    from distributed import Client, LocalCluster

    with ExitStack() as held:
        if scheduler is None:
            held.enter_context(_environment_kept())
            # one thread for each process: a burst is a task for one
            own = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
                silence_logs="CRITICAL",
            )
            scheduler = held.enter_context(own).scheduler_address
        try:
            client = Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ServerError(
                f"scheduler must be the address of a running dask scheduler, as tcp://host:8786, instead {scheduler} "
                f"did not answer: {error}. Start one with: dask scheduler --host 127.0.0.1"
            ) from error
        yield held.enter_context(client)


def _on_cluster(tasks: Sequence[Task], client: Client) -> Iterator[Outcome]:
    """Give the outcomes as they come; a burst whose process died too often is a failed one."""
    from distributed import as_completed

    run = uuid.uuid4().hex[:8]
    waiting = {client.submit(make_burst, t, key=f"{t.burst.scene}-{run}", pure=False): t.burst for t in tasks}
    try:
        for future in as_completed(list(waiting), loop=client.loop):
            burst = waiting[future]
            if future.status == "finished":
                yield future.result()
            else:
                error = future.exception() if future.status == "error" else None
                told = f"{type(error).__name__}: {error}" if error else f"the scheduler gave it up ({future.status})"
                yield Outcome(burst.scene, burst.track, "failed", told)
    finally:
        client.cancel(list(waiting))


def _note(plan: Plan, outcome: Outcome) -> None:
    """Keep where a bug stopped a burst; a burst that stands has nothing to tell."""
    path = burst_home(plan, outcome.scene) / TRACE
    if outcome.trace:
        with whole(path) as partial:
            partial.write_text(outcome.trace, encoding="utf-8")
    elif path.exists():
        path.unlink()


def _write_bursts(plan: Plan, outcomes: Sequence[Outcome]) -> None:
    table = pd.DataFrame([asdict(outcome) for outcome in outcomes])
    with whole(plan.results / BURSTS) as partial:
        table.drop(columns=["trace", "footprint"]).to_csv(partial, index=False, float_format="%.3f")

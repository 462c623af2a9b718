"""How long pushing chips to Label Studio takes, as ratios against the bare import of the same tasks, in one run.

    python benchmarks/labelling.py [--chips 1000] [--rounds 3]
    python benchmarks/labelling.py --people 5 10 30 [--each 10] [--database postgresql://…]

Starts a Label Studio of its own in a folder that is thrown away. Chips have 416 px, azimuth and range; a few are
rendered and stand for all, since rendering does not count. Each round pushes them to a new project, pushes them again,
pushes a tenth of them with other images, and posts the same tasks to another project by plain requests.

With ``--people`` rooms of so many annotators label ``--each`` chips at once, as their browsers would ask, while chips
are pushed and labels pulled; on SQLite, or in an empty PostgreSQL.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import requests
import xarray as xr
from crowd import crowd_of, label_while_others_push_and_pull, memory_mib
from scipy.ndimage import gaussian_filter

import labkit as lk
from labkit.home import free_port
from labkit.label.project import PAGE

SIZE, FEW, REACH = 416, 10, 3.0


def scene() -> xr.Dataset:
    """Gradients of smooth noise, a few chips wide."""
    noise = gaussian_filter(np.random.default_rng(0).normal(0, 20, (2, SIZE, FEW * SIZE)), (0, 8, 8))
    return xr.Dataset(
        {"gradient": (("direction", "y", "x"), noise.astype(np.float32))},
        coords={"direction": ["azimuth", "range"]},
        attrs={"scene": "noise", "ground_spacing": 40.0, "sum_temporal_baseline": 20.0, "wavelength": 0.0555},
    )


def repeated(table: pd.DataFrame, times: int) -> pd.DataFrame:
    """Give a table of chips or images again and again, under other names and further to the right."""
    parts = []
    for time_ in range(times):
        part = table.assign(chip_id=table["chip_id"] + f"-{time_}")
        parts.append(part.assign(col=part["col"] + time_ * FEW * SIZE) if "col" in part else part)
    return pd.concat(parts, ignore_index=True)


def bare_import(server: lk.label.LabelServer, url: str, title: str) -> float:
    """Post the tasks of the project at ``url`` to a new project; give the seconds that the requests took."""
    session = requests.Session()
    session.headers["Authorization"] = f"Token {server.token}"

    def ask(method: str, path: str, **more: object) -> dict:
        answer = session.request(method, server.url + path, timeout=600, **more)
        answer.raise_for_status()
        return answer.json()

    number = url.split("/")[-2]
    listed = ask("GET", f"/api/tasks?project={number}&page_size=100000&include=id,data")["tasks"]
    interface = ask("GET", f"/api/projects/{number}")["label_config"]
    made = ask("POST", "/api/projects", json={"title": title, "label_config": interface})
    tasks = [{"data": task["data"]} for task in listed]
    began = time.perf_counter()
    for start in range(0, len(tasks), PAGE):
        ask("POST", f"/api/projects/{made['id']}/import", json=tasks[start : start + PAGE])
    return time.perf_counter() - began


def measure(server: lk.label.LabelServer, folder: Path, count: int, rounds: int) -> pd.DataFrame:
    """Push and import chips on a server; give the seconds of each step, one row for each round."""
    data = scene()
    few = lk.make_chips(data, SIZE, 0.0)
    times = -(-count // FEW)
    chips = repeated(few, times).iloc[:count]
    images = repeated(lk.chip.write_images(few, data, folder / "images"), times)
    changed = repeated(lk.chip.write_images(few, data, folder / "images", limit=3.0), times)
    tenth = chips.iloc[: max(count // 10, 1)]
    studio = lk.label.connect()
    rows = []
    for number in range(rounds):
        seconds = {}
        steps = {"push": (chips, images), "again": (chips, images), "a tenth changed": (tenth, changed)}
        for what, (sent, rendered) in steps.items():
            began = time.perf_counter()
            report = studio.push(sent, rendered, f"pushed {folder.name} {number}")
            seconds[what] = time.perf_counter() - began
        seconds["bare"] = bare_import(server, report.url, f"bare {folder.name} {number}")
        rows.append(seconds)
    return pd.DataFrame(rows)


def show(table: pd.DataFrame, count: int) -> None:
    """Print the medians."""
    print(f"{count} chips, {len(table)} rounds; median seconds, and the median ratio to the bare import\n")
    print("| what | seconds | ratio | to reach | |\n|---|---|---|---|---|")
    for what in table.columns:
        ratio = statistics.median(table[what] / table["bare"])
        verdict = ("reached" if ratio <= REACH else "not reached") if what == "push" else ""
        print(f"| {what} | {table[what].median():.3g} | {ratio:.3g} | {REACH if what == 'push' else ''} | {verdict} |")


def room(server: lk.label.LabelServer, folder: Path, people: int, each: int) -> dict[str, object]:
    """Let people label at once; give how many boxes were acknowledged and how many of them came back, once each."""
    crowd = crowd_of(server, people)
    data = scene()
    few = lk.make_chips(data, SIZE, 0.0)
    times = -(-people * each // FEW)
    images = repeated(lk.chip.write_images(few, data, folder / "images"), times)
    chips = repeated(few, times).iloc[: people * each]
    store = lk.label.open_store(folder / f"labels of {people}")
    began = time.perf_counter()
    label_while_others_push_and_pull(crowd, each, chips, images, f"room of {people}", store)
    minutes = (time.perf_counter() - began) / 60
    seconds = [second for annotator in crowd for second in annotator.seconds]
    acknowledged = {box.annotation_id for annotator in crowd for box in annotator.acknowledged}
    kept = store.labels()["annotation_id"]
    refused = [words for annotator in crowd for words in annotator.refused]
    print(*sorted(set(refused)), sep="\n")
    return {
        "people": people,
        "acknowledged": len(acknowledged),
        "in the store": int(kept.isin(acknowledged).sum()),
        "refused": len(refused),
        "chips/min": len(seconds) / minutes,
        "median s": statistics.median(seconds),
        "95 % s": float(np.quantile(seconds, 0.95)),
        "memory MiB": memory_mib(server),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chips", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--people", type=int, nargs="+", default=[])
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("--database", default="sqlite")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LABKIT_HOME"] = str(Path(folder) / "home")
        with lk.label.start_server(port=free_port(20000), database=asked.database) as server:
            if asked.people:
                rows = [room(server, Path(folder), people, asked.each) for people in asked.people]
                print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3g}".format))
            else:
                show(measure(server, Path(folder), asked.chips, asked.rounds), asked.chips)


if __name__ == "__main__":
    main()

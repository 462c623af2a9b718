"""What a region run shall do: which bursts, and how each step is set. Nothing is computed here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import geopandas as gpd
import shapely

from labkit import detect, maps, schema
from labkit.configuration import read_configuration
from labkit.errors import FileError, LabkitError

#: The detector that needs no training (:func:`labkit.couplets`).
COUPLETS = "couplets"

#: What a section may say: arguments of :func:`labkit.open_interferograms`, :func:`labkit.select_pairs`, ….
_WORDS = {
    "read": ("product", "on_error", "wavelength", "heading", "incidence_angle", "orbit_direction", "phase_sign"),
    "pairs": ("max_days", "max_perpendicular_m", "start", "end", "months", "min_coherence"),
    "looks": ("ground_m", "looks"),
    "stack": ("estimator", "window", "lag", "coherence_floor", "coherence_power"),
    "detect": ("score", "overlap", "batch_size", "false_per_1000_km2", "lengths_m"),
    "filter": ("min_gradient", "min_fraction", "max_masked"),
    "merge": ("min_giou", "max_distance_m"),
    "density": ("cell_m", "bandwidth_m"),
}
_IDENTITIES = ("times", "contents")
_DEVICES = ("auto", "cpu", "cuda")
_FORMATS = ("gpkg", "geojson", "parquet", "kml", "kmz")


@dataclass(frozen=True)
class Plan:
    """What a configuration says. Paths are taken from the folder that the file lies in.

    Attributes
    ----------
    tracks : dict
        Name of each track → patterns of the folders of its bursts (``*`` stands for several).
    out : str
        Folder of the results.
    detector : str
        A detector's folder, the name of one that ships ("gradients-small"), or "couplets".
    counties : str
        File of polygons with ``name``, for a ranking by landslides per km²; "": none.
    masks : dict
        Name, such as snow or layover → a file of polygons, or a GeoTIFF on a map
        (:func:`labkit.region.masks.read_masks`). Detections there are dropped, and the ground counts as not observed.
    formats : tuple of str
        Endings of the files of landslides: gpkg, geojson, parquet, kml, kmz.
    identity : str
        By what the files of a burst are known again: "times" (size and time of change) or "contents" (SHA-256, which
        reads every file at each start).
    threads : int
        Of each burst. The tables are equal bit for bit, however the bursts are run, as long as this is the same.
    device : str
        Where the network runs: "auto" (the GPU of a worker that has one), "cpu" or "cuda".
    read, pairs, looks, stack, detect, filter, merge, density : dict
        Arguments of :func:`labkit.open_interferograms`, :func:`labkit.select_pairs`, :func:`labkit.multilook`,
        :func:`labkit.stack_gradients`, :func:`labkit.detect_landslides` (or :func:`labkit.couplets`),
        :func:`labkit.filter_detections`, :func:`labkit.merge_detections` and :func:`labkit.density`.
    folder : Path
        Where the file lies.

    Examples
    --------
    What a configuration file says can also be said in Python:

    >>> from labkit.region import Plan
    >>> plan = Plan(tracks={"up": ("bursts/up-*",)}, out="results", detector="couplets", stack={"window": 3})
    >>> plan.results.name, plan.formats, plan.threads
    ('results', ('gpkg', 'kmz'), 1)
    """

    tracks: Mapping[str, tuple[str, ...]]
    out: str
    detector: str
    counties: str = ""
    masks: Mapping[str, str] = field(default_factory=dict)
    formats: tuple[str, ...] = ("gpkg", "kmz")
    identity: str = "times"
    threads: int = 1
    device: str = "auto"
    read: Mapping[str, Any] = field(default_factory=dict)
    pairs: Mapping[str, Any] = field(default_factory=dict)
    looks: Mapping[str, Any] = field(default_factory=dict)
    stack: Mapping[str, Any] = field(default_factory=dict)
    detect: Mapping[str, Any] = field(default_factory=dict)
    filter: Mapping[str, Any] = field(default_factory=dict)
    merge: Mapping[str, Any] = field(default_factory=dict)
    density: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path()

    @property
    def results(self) -> Path:
        """The folder of the results, from the root."""
        return (self.folder / self.out).absolute()


@dataclass(frozen=True)
class Burst:
    """A folder of interferograms, and the scene that it is called by in every table."""

    scene: str
    track: str
    folder: Path


def read_plan(path: str | Path) -> Plan:
    """Read the configuration of a region, TOML or JSON.

    Raises
    ------
    FileError
        There is no such file, it is neither, or it lacks a word or has one too many.
    LabkitError
        A setting is out of its range.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     config = Path(folder) / "region.toml"
    ...     words = 'out = "r"\\ndetector = "couplets"\\ntracks = {up = "up-*"}\\nstack = {windw = 3}'
    ...     _ = config.write_text(words)
    ...     read_plan(config)
    Traceback (most recent call last):
    ...
    labkit.errors.FileError: ...region.toml: stack must hold only the words estimator, ..., instead got windw
    """
    path = Path(path)
    known = {f.name for f in fields(Plan)} - {"folder"}
    said = read_configuration(path, known, ("tracks", "out", "detector"))
    for name, words in _WORDS.items():
        section = said.get(name, {})
        strange = sorted(set(section) - set(words)) if isinstance(section, dict) else [repr(section)]
        if strange:
            raise FileError(f"{path}: {name} must hold only the words {', '.join(words)}, instead got {strange[0]}")
    tracks = said["tracks"]
    if not isinstance(tracks, dict) or not tracks:
        raise FileError(f"{path}: tracks must name the folders of each track's bursts, instead got tracks={tracks!r}")
    said["tracks"] = {name: (told,) if isinstance(told, str) else tuple(told) for name, told in tracks.items()}
    said["formats"] = tuple(said.get("formats", ("gpkg", "kmz")))
    return _checked(Plan(**said, folder=path.parent.absolute()))


def find_bursts(plan: Plan) -> list[Burst]:
    """List the bursts of a plan, track by track.

    A burst is named after its folder, with the name of the track before it where it does not begin with that.

    Raises
    ------
    FileError
        A pattern finds no folder.
    LabkitError
        Two bursts would have one name, or one folder is a burst of two tracks.
    """
    found: list[Burst] = []
    for track, patterns in plan.tracks.items():
        folders: dict[Path, None] = {}
        for pattern in patterns:
            there = _folders(plan.folder, pattern)
            if not there:
                raise FileError(
                    f"tracks must name folders of bursts, instead there is none for {plan.folder / pattern}"
                )
            folders |= dict.fromkeys(there)
        for folder in folders:
            scene = folder.name if folder.name.startswith(track) else f"{track}-{folder.name}"
            found.append(Burst(scene, track, folder))
    for what in ("scene", "folder"):
        seen: dict[object, Burst] = {}
        for burst in found:
            first = seen.setdefault(getattr(burst, what), burst)
            if first is not burst:
                raise LabkitError(
                    f"bursts must each have a name and a folder of their own, instead {first.folder} of {first.track} "
                    f"and {burst.folder} of {burst.track} share one. Rename a folder, or name it once"
                )
    return found


def _folders(home: Path, pattern: str) -> list[Path]:
    root, rest = (Path(pattern).anchor, Path(pattern).relative_to(Path(pattern).anchor))
    return sorted(
        path
        for path in (Path(root) if root else home).glob(str(rest))
        if path.is_dir() and not path.name.startswith(".")
    )


def _checked(plan: Plan) -> Plan:
    """Refuse now what would otherwise be refused when all bursts are done."""
    for name, allowed in (("identity", _IDENTITIES), ("device", _DEVICES)):
        if getattr(plan, name) not in allowed:
            raise LabkitError(f"{name} must be one of {allowed}, instead got {name}={getattr(plan, name)!r}")
    if not isinstance(plan.threads, int) or plan.threads < 1:
        raise LabkitError(f"threads must be a whole number, at least 1, instead got threads={plan.threads!r}")
    if not plan.formats or set(plan.formats) - set(_FORMATS):
        raise LabkitError(f"formats must be among {_FORMATS}, instead got formats={plan.formats}")
    unfit = {"score", "overlap", "batch_size"} if plan.detector == COUPLETS else {"false_per_1000_km2", "lengths_m"}
    if unfit & set(plan.detect):
        raise LabkitError(
            f"detect must fit the detector {plan.detector!r}, instead got {sorted(unfit & set(plan.detect))}"
        )
    if not isinstance(plan.masks, Mapping) or not all(isinstance(path, str) for path in plan.masks.values()):
        raise LabkitError(f"masks must be a section of names and files, instead got masks={plan.masks!r}")
    for name, path in plan.masks.items():
        if not (plan.folder / path).is_file():
            raise FileError(f"masks must name files, instead there is nothing for {name} at {plan.folder / path}")
    nothing = schema.boxes_table()
    detect.filter_detections(nothing, [], **plan.filter)
    detect.merge_detections(nothing, **plan.merge)
    maps.density(nothing, **plan.density, extent=gpd.GeoSeries([shapely.box(0, 0, 0.1, 0.1)], crs=4326))
    if plan.counties and not (plan.folder / plan.counties).is_file():
        raise FileError(f"counties must be a file, instead there is nothing at {plan.folder / plan.counties}")
    return dataclasses.replace(plan)

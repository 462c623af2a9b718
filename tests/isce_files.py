"""Write small ISCE2 stacks for tests, as ISCE documents its rasters and headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_PROPERTY = '<property name="{name}"><value>{value}</value><doc>of a test</doc></property>'
_TYPES = {"f4": "FLOAT", "f8": "DOUBLE", "c8": "CFLOAT"}


def write_xml(path: Path, shape: tuple[int, int], kind: str, bands: int, scheme: str) -> Path:
    """The ``.xml`` beside a raster, with the two coordinates and the absolute path of another machine."""
    words = {
        "byte_order": "l",
        "data_type": _TYPES[kind],
        "file_name": "/home/someone/elsewhere/" + path.name,
        "length": shape[0],
        "number_bands": bands,
        "scheme": scheme,
        "width": shape[1],
    }
    coordinates = [
        f'<component name="coordinate{i}"><factorymodule>isceobj.Image</factorymodule>'
        f"<factoryname>createCoordinate</factoryname>"
        + _PROPERTY.format(name="delta", value=1.0)
        + _PROPERTY.format(name="size", value=size)
        + _PROPERTY.format(name="startingvalue", value=0.0)
        + "</component>"
        for i, size in ((1, shape[1]), (2, shape[0]))
    ]
    body = "\n".join([*coordinates, *(_PROPERTY.format(name=n, value=v) for n, v in words.items())])
    header = path.with_name(path.name + ".xml")
    header.write_text(f"<imageFile>\n{body}\n</imageFile>\n")
    return header


def write_raster(path: Path, bands: list[np.ndarray], kind: str, scheme: str) -> None:
    """A little-endian raster of one or more bands with its ``.xml``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    axis = {"BSQ": 0, "BIL": 1, "BIP": 2}[scheme]
    np.stack(bands, axis=axis).astype("<" + kind).tofile(path)
    write_xml(path, bands[0].shape, kind, len(bands), scheme)


def write_pair(stack: Path, name: str, phase: np.ndarray, coherence: np.ndarray | None) -> Path:
    """``filt_fine.int`` (amplitude 300, NaN = outside: 0) and ``filt_fine.cor`` of a topsStack pair."""
    folder = stack / "merged" / "interferograms" / name
    values = np.where(np.isfinite(phase), 300 * np.exp(1j * np.nan_to_num(phase)), 0)
    write_raster(folder / "filt_fine.int", [values], "c8", "BIP")
    if coherence is not None:
        write_raster(folder / "filt_fine.cor", [coherence], "f4", "BIP")
    return folder


def write_reference(stack: Path, wavelength: str = "0.05546576") -> None:
    """The part of ``reference/IW1.xml`` that tells the radar apart."""
    (stack / "reference").mkdir(parents=True, exist_ok=True)
    words = {"passdirection": "DESCENDING", "radarwavelength": wavelength, "tracknumber": "62"}
    bursts = "".join(_PROPERTY.format(name=n, value=v) for n, v in words.items())
    (stack / "reference" / "IW1.xml").write_text(
        f'<productmanager_name><component name="instance"><component name="burst1">{bursts}</component></component>'
        "</productmanager_name>"
    )


def write_baseline(stack: Path, name: str, *values: float) -> None:
    """``baselines/NAME/NAME.txt`` of topsStack, one value for each swath."""
    folder = stack / "baselines" / name
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"swath: IW{i + 1}\nBperp (average): {v}\nBpar (average): -3.5\n" for i, v in enumerate(values)]
    (folder / f"{name}.txt").write_text("".join(lines))

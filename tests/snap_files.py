"""Write small SNAP products for tests, as SNAP documents BEAM-DIMAP and its ENVI rasters."""

from __future__ import annotations

from pathlib import Path

import numpy as np

HDR = """ENVI
description = {{a test - Unit: {unit}}}
samples = {samples}
lines = {lines}
bands = 1
header offset = 0
file type = ENVI Standard
data type = 4
interleave = bsq
byte order = 1
{map_info}band names = {{ {name} }}
data gain values = {{1.0}}
"""

BAND = """<Spectral_Band_Info><BAND_INDEX>{index}</BAND_INDEX><BAND_NAME>{name}</BAND_NAME>
<DATA_TYPE>float32</DATA_TYPE><PHYSICAL_UNIT>{unit}</PHYSICAL_UNIT>{virtual}</Spectral_Band_Info>"""

TIE = """<Tie_Point_Grid_Info><TIE_POINT_GRID_INDEX>0</TIE_POINT_GRID_INDEX><PHYSICAL_UNIT>deg</PHYSICAL_UNIT>
<TIE_POINT_GRID_NAME>{name}</TIE_POINT_GRID_NAME><DATA_TYPE>float32</DATA_TYPE><NCOLS>{columns}</NCOLS>
<NROWS>{rows}</NROWS><OFFSET_X>0.0</OFFSET_X><OFFSET_Y>0.0</OFFSET_Y><STEP_X>{step}</STEP_X><STEP_Y>{step}</STEP_Y>
</Tie_Point_Grid_Info>"""

DIM = """<?xml version="1.0" encoding="ISO-8859-1"?>
<Dimap_Document name="test.dim">
<Metadata_Id><METADATA_FORMAT version="2.12.1">DIMAP</METADATA_FORMAT></Metadata_Id>
{position}
<Image_Interpretation>{bands}</Image_Interpretation>
<Tie_Point_Grids>{ties}</Tie_Point_Grids>
<Dataset_Sources><MDElem name="metadata"><MDElem name="Abstracted_Metadata">
<MDATTR name="PASS" type="ascii">ASCENDING</MDATTR>
<MDATTR name="REL_ORBIT" type="int32">128</MDATTR>
<MDATTR name="radar_frequency" type="float64" unit="MHz">{frequency}</MDATTR>
<MDATTR name="range_spacing" type="float64" unit="m">9.32</MDATTR>
<MDATTR name="azimuth_spacing" type="float64" unit="m">13.9</MDATTR>
<MDATTR name="incidence_near" type="float64" unit="deg">36.0</MDATTR>
<MDATTR name="incidence_far" type="float64" unit="deg">38.0</MDATTR>
<MDATTR name="centre_heading" type="float64" unit="deg">{heading}</MDATTR>
<MDElem name="Baselines"><MDElem name="Ref_{first}">
<MDElem name="Secondary_{first}"><MDATTR name="Perp Baseline" type="float64">0.0</MDATTR></MDElem>
<MDElem name="Secondary_{second}"><MDATTR name="Perp Baseline" type="float64">75.5</MDATTR></MDElem>
</MDElem></MDElem></MDElem></MDElem></Dataset_Sources>
</Dimap_Document>
"""


def write_band(path: Path, values: np.ndarray, unit: str, map_info: str = "") -> None:
    """A big-endian float32 ``.img`` with its ``.hdr``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values.astype(">f4").tofile(path)
    lines, samples = values.shape
    path.with_suffix(".hdr").write_text(
        HDR.format(unit=unit, samples=samples, lines=lines, name=path.stem, map_info=map_info)
    )


def write_product(
    path: Path,
    dates: tuple[str, str],
    phase: np.ndarray,
    *,
    coherence: np.ndarray | None = None,
    unwrapped: bool = False,
    position: str = "",
    map_info: str = "",
    ties: dict[str, np.ndarray] | None = None,
    words: tuple[str, str] = ("5405.000454334349", "348.1"),
) -> Path:
    """``path`` (a ``.dim``) with i_ifg and q_ifg, or Unw_Phase_ifg; NaN = outside: 0."""
    first, second = dates
    known = np.isfinite(phase)
    z = np.where(known, 40 * np.exp(1j * np.nan_to_num(phase)), 0)
    ending = f"ifg_IW1_VV_{first}_{second}"
    rasters = {f"i_{ending}": (z.real, "real"), f"q_{ending}": (z.imag, "imaginary")}
    if unwrapped:
        rasters = {f"Unw_Phase_ifg_{first}_{second}": (np.nan_to_num(phase), "abs_phase")}
    if coherence is not None:
        rasters[f"coh_IW1_VV_{first}_{second}"] = (coherence, "coherence")
    bands = [BAND.format(index=i, name=n, unit=u, virtual="") for i, (n, (_, u)) in enumerate(rasters.items())]
    bands.append(
        BAND.format(index=9, name=f"Phase_{ending}", unit="phase", virtual="<VIRTUAL_BAND>true</VIRTUAL_BAND>")
    )
    data = path.with_suffix(".data")
    for name, (values, unit) in rasters.items():
        write_band(data / f"{name}.img", values, unit, map_info)
    infos = []
    for name, grid in (ties or {}).items():
        write_band(data / "tie_point_grids" / f"{name}.img", grid, "deg")
        infos.append(TIE.format(name=name, rows=grid.shape[0], columns=grid.shape[1], step=5.0))
    path.write_text(
        DIM.format(
            position=position, bands="".join(bands), ties="".join(infos), frequency=words[0], heading=words[1],
            first=first, second=second,
        ),
        "latin-1",
    )  # fmt: skip
    return path

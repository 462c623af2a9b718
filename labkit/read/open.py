"""Open a folder of interferograms or a map of rates, whoever wrote it: the door that recognises the product."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import xarray as xr

from labkit.errors import FileError, LabkitError
from labkit.read import (
    cache,
    egms,
    gamma,
    gamma_geocoded,
    geotiff,
    gmtsar,
    hyp3,
    isce2,
    licsar,
    licsbas,
    mintpy,
    opera_disp,
    rates,
    roipac,
    s1_gunw,
    snap,
)
from labkit.read.skipped import Skipped
from labkit.read.stated import check_stated, state
from labkit.schema import check_interferograms, check_rates


def _open_cache(path: Path, skipped: Skipped) -> xr.Dataset:
    """A cache is whole or damaged: no pair of it stands alone."""
    return cache.open_pairs(path)


#: Product name → (does this folder hold it?, how it is opened). The first that says yes opens it.
_INTERFEROGRAMS: dict[str, tuple[Callable[[Path], bool], Callable[[Path, Skipped], xr.Dataset]]] = {
    "labkit-cache": (cache.recognise, _open_cache),
    "gmtsar": (gmtsar.recognise, gmtsar.open_pairs),
    "isce2": (isce2.recognise, isce2.open_pairs),
    "roipac": (roipac.recognise, roipac.open_pairs),
    "snap": (snap.recognise, snap.open_pairs),
    "gamma_geocoded": (gamma_geocoded.recognise, gamma_geocoded.open_pairs),
    "gamma": (gamma.recognise, gamma.open_pairs),
    "hyp3": (hyp3.recognise, hyp3.open_pairs),
    "licsar": (licsar.recognise, licsar.open_pairs),
    "mintpy": (mintpy.recognise, mintpy.open_pairs),
    "s1_gunw": (s1_gunw.recognise, s1_gunw.open_pairs),
    "opera_disp": (opera_disp.recognise, opera_disp.open_pairs),
    "geotiff": (geotiff.recognise, geotiff.open_pairs),
}
_RATES: dict[str, tuple[Callable[[Path], bool], Callable[[Path], xr.Dataset]]] = {
    "mintpy": (mintpy.recognise_rates, mintpy.open_velocity),
    "licsbas": (licsbas.recognise, licsbas.open_velocity),
    "egms": (egms.recognise, egms.open_points),
    "geotiff": (rates.recognise, rates.open_rate_map),
}


def open_interferograms(
    path: str | os.PathLike[str],
    product: str = "auto",
    on_error: str = "raise",
    *,
    progress: bool = True,
    **stated: object,
) -> xr.Dataset:
    """Open a folder of interferograms as one lazy dataset.

    Only names, headers and sizes are read; pixels are read when they are needed, pair by pair (with
    ``on_error="skip"`` once at opening too, to know which pairs stand).

    Parameters
    ----------
    path : path-like
        The folder. It is searched two levels deep.
    product : str
        "auto" (look and recognise), or the name of a reader:

        - "gamma": complex ``.diff``/``.int`` pairs in radar geometry (big-endian complex64; 0 = no data) or unwrapped
          ``.unw`` (big-endian float32), with an image ``.par``; coherence from a ``.cc`` beside the pair, else from the
          magnitude, or estimated from the phase where that is an amplitude; lon/lat from a lookup table (``.lt*``)
          with its ``dem_par``; perpendicular baselines from ``*base.par`` or ``*bperp.par``; pairs with the flag 0 in
          ``itab`` are left out. Of ``.diff`` and ``.int`` of a pair the first is taken.
        - "gamma_geocoded": unwrapped (``.unw``, big-endian float32) or complex (``.diff``) pairs on the map grid of a
          ``dem_par`` (EQA or UTM), coherence from ``.cc``, else estimated from the phase.
        - "gmtsar": ``intf/YYYYDDD_YYYYDDD/phasefilt.grd`` (else ``phase``, ``unwrap``) with ``corr.grd``; geocoded
          (``…_ll.grd``) where not all pairs have radar grids; lon/lat of radar grids from ``trans.dat``; ``.PRM``,
          ``baseline_table.dat``.
        - "isce2": a stack of topsStack or stripmapStack, or its ``merged/`` or ``interferograms/`` (``filt_fine.int``,
          else ``.unw``, with ``.cor``; ``.xml`` or ``.vrt`` beside each); lon/lat, spacing, heading and incidence from
          ``geom_reference``, baselines from ``baselines/``, the wavelength from ``reference/IW*.xml``. Or single pairs
          of topsApp, one folder each (``merged/filt_topophase.flat``, ``.unw``, ``phsig.cor``), all of one size.
        - "roipac": ``.int`` or ``.unw`` with ``.cor``, each with its ``.rsc``; radar geometry or geocoded.
        - "snap": BEAM-DIMAP products (``.dim`` with its ``.data``; the path may be one ``.dim``): ``i_ifg``/``q_ifg``,
          else ``Phase_ifg`` or ``Unw_Phase_ifg``, with ``coh``; radar geometry (tie points) or geocoded.
        - "hyp3": unzipped HyP3 products, scenes and bursts (``S1…_unw_phase.tif``, or ``…_wrapped_phase.tif`` where it
          was ordered, ``…_corr.tif``, ``…_water_mask.tif`` whose water is no data, metadata ``.txt``); products of
          different extent are opened on the ground that all share.
        - "licsar": a LiCSAR frame, or its ``interferograms/`` or ``GEOC/`` (``….geo.diff_pha.tif``, else
          ``….geo.unw.tif``; 8-bit ``….geo.cc.tif``), with ``metadata.txt`` and ``baselines`` where they were kept.
        - "mintpy": ``ifgramStack.h5`` (the wrapped phase where it was loaded, else the unwrapped one; pairs that MintPy
          dropped are left out and counted in ``attrs["pairs_left_out"]``), with ``geometryRadar.h5`` or
          ``geometryGeo.h5`` for lon/lat, incidence angle and water.
        - "s1_gunw": ARIA's ``S1-GUNW-….nc`` of one track; turned to run from the earlier to the later date, and opened
          on the ground that all share.
        - "opera_disp": OPERA's ``OPERA_L3_DISP-S1_….nc`` of one frame, the displacement turned into phase; heading and
          incidence angle are not in the files: state them.
        - "geotiff": GeoTIFFs with dates in their names: of each pair one of wrapped phase (…20180106-20180130…diff.tif)
          or of unwrapped phase (…unw.tif), or both, and one of coherence (…cc.tif; else it is estimated); 0, NaN and
          the file's no-data value = no data.
        - "labkit-cache": the compact cache that :func:`labkit.read.write_cache` or ``labkit cache`` wrote (``.zarr``).
    on_error : str
        What a damaged pair does (cut, of another size or grid, dates reversed, standing twice, not what its name says,
        without any data, coherence above 1, bytes swapped):

        - "raise": a FileError names the file and the remedy, at opening, or when its pixels are first read.
        - "skip": the pair is left out. All pixels are read once at opening, so that no pair stops a stack later;
          ``attrs["skipped_pairs"]`` holds one line for each pair left out, its name and why ("" where there is none),
          and goes along into what is made of the interferograms. Of a pair that stands twice the first is kept. A
          damaged cache, image parameter file or lookup table concerns all pairs, and is an error all the same.
    progress : bool
        With "skip", show a bar while the pixels are checked, and say which pairs are left out.
    **stated
        What the files do not say, or say wrongly: ``scene``, ``wavelength`` (m), ``heading`` (degrees),
        ``incidence_angle`` (degrees), ``orbit_direction``, ``phase_sign`` (+1 or −1), ``track``, ``burst``,
        ``y_spacing`` and ``x_spacing`` (m of the array; of the slant range in radar geometry).

    Returns
    -------
    xarray.Dataset
        interferograms (:mod:`labkit.schema`), sorted by date; with ``unwrapped`` where the files hold unwrapped phase
        for every pair. Where both are there, ``phase`` is the wrapped one, else the unwrapped one wrapped again.

    Raises
    ------
    FileError
        The folder holds no known product, or no whole pair; a header is missing; with "raise", a pair is damaged.
    LabkitError
        ``product``, ``on_error`` or a stated name is unknown, or a stated number is impossible (a wavelength in cm).

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = lk.simulate.write_scene(lk.simulate.scene("tiny"), folder)
    ...     ifgs = open_interferograms(folder + "/ascending", progress=False)
    ...     print(dict(ifgs.sizes), ifgs.attrs["processor"])
    ...     print(float(ifgs["coherence"][0].mean()).__round__(2))
    {'pair': 21, 'y': 160, 'x': 192} GAMMA
    0.71
    """
    if on_error not in ("raise", "skip"):
        raise LabkitError(f"on_error must be 'raise' or 'skip', instead got on_error={on_error!r}")
    check_stated(stated)
    skipped = Skipped(on_error == "skip")
    readers = {
        name: (_claims(recognise) if skipped.wanted else recognise, _noting(opener, skipped))
        for name, (recognise, opener) in _INTERFEROGRAMS.items()
    }
    dataset = skipped.check_pixels(_open(path, product, readers, "interferograms"), Path(path), progress=progress)
    return check_interferograms(state(dataset, stated))


def _noting(opener: Callable[[Path, Skipped], xr.Dataset], skipped: Skipped) -> Callable[[Path], xr.Dataset]:
    return lambda path: opener(path, skipped)


def _claims(recognise: Callable[[Path], bool]) -> Callable[[Path], bool]:
    """A reader that finds fault with a file of a folder knows the folder: its opener says what it leaves out."""

    def claims(path: Path) -> bool:
        try:
            return recognise(path)
        except FileError:
            return True

    return claims


def open_rates(path: str | os.PathLike[str], product: str = "auto", **stated: object) -> xr.Dataset:
    """Open a map of line-of-sight rates.

    Parameters
    ----------
    path : path-like
        A file, or a folder that is searched two levels deep.
    product : str
        "auto" (look and recognise), or the name of a reader:

        - "mintpy": ``geo_velocity.h5``, else ``velocity.h5`` (m/year; turned into mm/yr), masked by ``maskTempCoh.h5``
          where it lies beside it.
        - "licsbas": ``vel.geo.tif`` or the binary ``results/vel`` with ``EQA.dem_par``, masked by ``mask`` beside it;
          heading and incidence angle from E, N and U.
        - "egms": CSV of points of the European Ground Motion Service, levels L2a and L2b, of one track: the mean in
          cells of 100 m. The points are read when the file is opened.
        - "geotiff": a GeoTIFF of rates in mm/yr, positive toward the satellite (``*vel*.tif`` or ``*rate*.tif``), with
          its standard error beside it where there is one (``*vstd*.tif`` or ``*std*.tif``); 0, −9999, NaN and the
          file's no-data value = no data.
    **stated
        As in :func:`open_interferograms`.

    Returns
    -------
    xarray.Dataset
        rates (:mod:`labkit.schema`); NaN = no data.

    Raises
    ------
    FileError
        There is no rate map at ``path``, or it is damaged.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import rasterio
    >>> grid = {"driver": "GTiff", "width": 3, "height": 2, "count": 1, "dtype": "float32", "crs": "EPSG:4326",
    ...         "transform": rasterio.Affine(0.001, 0, 102, 0, -0.001, 31)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with rasterio.open(folder + "/rates.tif", "w", **grid) as file:
    ...         file.write(np.full((1, 2, 3), -12.5, "float32"))
    ...     rates = open_rates(folder + "/rates.tif", orbit_direction="ascending")
    ...     print(rates["rate"].dims, float(rates["rate"][0, 0]))
    ('y', 'x') -12.5
    """
    check_stated(stated)
    return check_rates(state(_open(path, product, _RATES, "rates"), stated))


def readers_that_know(place: Path) -> tuple[list[str], list[str]]:
    """Name the readers that know a place, of interferograms and of rates, in the order in which they are asked.

    A reader that finds fault with a file there knows the place.
    """
    pairs = [name for name, (recognise, _) in _INTERFEROGRAMS.items() if _claims(recognise)(place)]
    return pairs, [name for name, (recognise, _) in _RATES.items() if _claims(recognise)(place)]


def _open(
    path: str | os.PathLike[str],
    product: str,
    readers: Mapping[str, tuple[Callable[[Path], bool], Callable[[Path], xr.Dataset]]],
    what: str,
) -> xr.Dataset:
    place = Path(path)
    if not place.exists():
        raise FileError(f"path must exist, instead there is nothing at {place}. Check the spelling of the folder")
    if product != "auto":
        if product not in readers:
            raise LabkitError(f"product must be 'auto' or one of {sorted(readers)}, instead got product={product!r}")
        return readers[product][1](place)
    for recognise, opener in readers.values():
        if recognise(place):
            return opener(place)
    names = sorted(p.name for p in place.iterdir())[:5] if place.is_dir() else [place.name]
    raise FileError(
        f"{place} must hold {what} of a known product ({', '.join(readers)}), instead it holds {names or 'nothing'}. "
        "Point to the folder of the pairs, or name the reader with product='…'"
    )

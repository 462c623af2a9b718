"""What is switched on in a simulated scene, and how strong it is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from labkit.errors import LabkitError


@dataclass(frozen=True)
class Effects:
    """Everything that fools people, each with a switch and a physical amplitude; 0 (or False) switches one off.

    Attributes
    ----------
    turbulence_mm : float
        Turbulent delay of an acquisition: rms difference between points 1 km apart, mm, at least 0. Power spectrum
        k^(−11/3) below 3 km, k^(−8/3) above [1]_. 1 mm is what clear to moderate weather shows at 1 km [2]_.
    stratified_mm_per_km : float
        Stratified delay: rms over pairs of dates of the zenith delay's difference per km of height, mm/km, at least 0.
        4.8 mm/km is the coefficient k of σ = c·L^α + k·H [2]_.
    dem_error_m : float
        Rms of the random error of the DEM that was subtracted, m, at least 0. 5 m: the order of global 30 m DEMs [3]_.
    dem_blur_m : float
        Resolution σ (m, at least 0) with which that DEM rounds off crests: its error there is an artefact along ridges.
        Above what DEMs of 30 m show: below wavelengths of 240 m the spectrum of the mountain DEM of Big Tujunga that
        TopoToolbox hands out falls away from its own power law (fitted to 200–1000 m) as after a Gaussian of 11 to
        20 m, ALOS's of Danba along latitude as after one of 10 to 17 m; a mean over 3 × 3 cells, as in DEMs of 90 m,
        makes 28 to 33 m of that. The artefacts are therefore on the strong side.
    baseline_m : float
        Spread (standard deviation) of an orbit's place across the line of sight, m, at least 0. Sentinel-1 keeps a tube
        of 50 m rms [4]_.
    seam_mm : float
        Rms azimuth misregistration of an acquisition, mm, at least 0, which makes phase jumps between bursts. 20 mm is
        what precise orbits leave: 1.6 to 2.8 cm [5]_.
    looks : float
        Independent looks in a pixel, at least 2, from which speckle is drawn; 0 means no speckle. 24 is the 33 samples
        of a pixel of 40 m less some overlap; by the sensor's resolution they are worth 13.0
        (:func:`labkit.simulate.resolution.sharing`).
    shared_looks : bool
        Neighbouring pixels share the looks that the sensor cannot tell apart (:mod:`labkit.simulate.resolution`).
    coherence_window : int
        Odd edge, px, of the triangular window in which coherence is estimated, as processors do it (5 is usual), which
        makes it smooth and lower where fringes are dense; 0: from each pixel's own looks.
    coherence_by_intensity : bool
        In a window, coherence is normed by the intensities of both acquisitions. Off: by the interferogram's own
        magnitude, as in products whose processor was not given these; multilooked pixels then seem more coherent than
        their ground is.
    decorrelation : bool
        Temporal decorrelation by land cover; off: every pair keeps the coherence that it would have without time.
    season : float
        Share of the vegetation's coherence that midsummer takes, 0..1. 0.6 follows real valley floors in Sichuan, whose
        12-day coherence falls from 0.98 in winter to 0.4 in summer.
    summer_decay : float
        How many times faster ground loses its coherence in midsummer than in winter, less 1; at least 0. Off unless
        asked for; real pairs of Danba need 20 (:mod:`labkit.simulate.alike`).
    layover : bool
        Layover and shadow have no coherence to speak of.
    water : bool
        The main river is no data.
    snow_share : float
        Share of the ground, the highest, 0..1, that lies above the summer snow line. 0: no snow and no ice. Perennial
        snow covers 0.3 % of western Sichuan, and 60 % hardly ever has any [11]_; in a scene of some 1500 m relief that
        holds high crests, as the first paper's region, it is more. 4 % is chosen.
    snow_winter_m : float
        How far the snow line comes down in mid-winter, m, at least 0. Chosen between what is known: the mean snow line
        of the Tibetan Plateau moves from 4700 to 5000 m and is highest in August [12]_; in an alpine basin of western
        Sichuan snow that stays through winter lies mostly at 4000 to 5000 m [13]_. Snow covers least of the Plateau in
        July and most in March [7]_; single falls come far lower.
    creep_mm : float
        Downslope speed of ice-rich ground above the summer snow line, mm/yr, at least 0. Rock glaciers creep at 0.1 to
        1 m/yr [6]_. Those of the Daxue Shan beside Danba lie at 4300–4600 m on slopes of 22–35° [8]_.
    subsidence_mm : float
        Subsidence at the centre of a mining bowl, mm/yr, at least 0; a deformation, not a landslide. Chosen near the
        65 mm/yr in line of sight that were measured over coal mines in the Ordos Basin [9]_; above an advancing
        longwall it is decimetres in weeks, which no interferogram of 12 days holds.
    subsidence_radius_m : float
        Radius (σ of the Gaussian bowl), m, above 0. Knothe's law gives σ = H / (√(2π) tan β) over one point: 42 to
        129 m at the depths H of 158 to 710 m and the tan β of 1.5 to 2.2 that stations in Shandong measured [10]_.
        Ground worked over a length L adds L²/12 to σ²: 350 m are seams of 710 m depth worked over 1.1 km.

    Raises
    ------
    LabkitError
        A value breaks its rule.

    References
    ----------
    .. [1] Hanssen (2001), Radar Interferometry, chapter 4.7.
    .. [2] Emardson, Simons and Webb (2003), Neutral atmospheric delay in interferometric SAR applications:
       c = 2.5 mm, α = 0.5, k = 4.8 mm/km.
    .. [3] Rodríguez, Morris and Belz (2006), A global assessment of the SRTM performance.
    .. [4] Torres and others (2012), GMES Sentinel-1 mission.
    .. [5] Fattahi, Agram and Simons (2017), A network-based enhanced spectral diversity approach.
    .. [6] Barsch (1996), Rockglaciers.
    .. [7] Chu and others (2014), Snow cover variation over the Tibetan Plateau from MODIS, J. Appl. Remote Sens. 8.
    .. [8] Ran and Liu (2018), Rock glaciers in Daxue Shan, south-eastern Tibetan Plateau, The Cryosphere 12, 2327.
    .. [9] Zheng and others (2020), Land subsidence related to coal mining in China revealed by L-band InSAR analysis.
    .. [10] Sci. Rep. 15 (2025), doi:10.1038/s41598-025-02697-2, table 2: stations of Feicheng and Xinwen.
    .. [11] Yang and others (2012), Temporal and spatial analysis of changes in snow cover in western Sichuan based on
       MODIS images, Sci. China Earth Sci. 55, 1329.
    .. [12] Research on the temporal and spatial variations of snow cover and snowline altitude in the Tibetan Plateau
       region, J. North China Univ. of Water Resources and Electric Power (2024), no. 2.
    .. [13] Authorea preprint 672356: falls of 2019 in the Hanliu basin near Xiaojin, beside Danba, from MODIS.

    Examples
    --------
    >>> Effects().stratified_mm_per_km
    4.8
    >>> Effects.only(dem_error_m=5.0).turbulence_mm
    0.0
    """

    turbulence_mm: float = 1.0
    stratified_mm_per_km: float = 4.8
    dem_error_m: float = 5.0
    dem_blur_m: float = 40.0
    baseline_m: float = 50.0
    seam_mm: float = 20.0
    looks: float = 24.0
    shared_looks: bool = True
    coherence_window: int = 0
    coherence_by_intensity: bool = True
    decorrelation: bool = True
    season: float = 0.6
    summer_decay: float = 0.0
    layover: bool = True
    water: bool = True
    snow_share: float = 0.04
    snow_winter_m: float = 700.0
    creep_mm: float = 300.0
    subsidence_mm: float = 100.0
    subsidence_radius_m: float = 350.0

    def __post_init__(self) -> None:
        """Check every field."""
        for name, value in asdict(self).items():
            if name in _SWITCHES:
                _rule(isinstance(value, bool), name, "True or False", value)
            else:
                number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
                _rule(number and value >= 0, name, "a finite number of at least 0", value)
        for name in ("season", "snow_share"):
            value = getattr(self, name)
            _rule(value <= 1, name, "between 0 and 1", value)
        _rule(self.looks == 0 or self.looks >= 2, "looks", "0 (no speckle) or at least 2", self.looks)
        window = self.coherence_window
        _rule(window == 0 or (window % 2 == 1 and window >= 3), "coherence_window", "0 or odd and at least 3", window)
        _rule(self.subsidence_radius_m > 0, "subsidence_radius_m", "above 0 m", self.subsidence_radius_m)

    @classmethod
    def none(cls) -> Effects:
        """Switch everything off: motion alone, perfectly coherent; see :meth:`only`."""
        return cls(
            turbulence_mm=0.0,
            stratified_mm_per_km=0.0,
            dem_error_m=0.0,
            dem_blur_m=0.0,
            seam_mm=0.0,
            looks=0.0,
            shared_looks=False,
            coherence_window=0,
            coherence_by_intensity=False,
            decorrelation=False,
            season=0.0,
            summer_decay=0.0,
            layover=False,
            water=False,
            snow_share=0.0,
            snow_winter_m=0.0,
            creep_mm=0.0,
            subsidence_mm=0.0,
        )

    @classmethod
    def only(cls, **strengths: Any) -> Effects:
        """Switch on what is named, with its strength, and nothing else.

        Examples
        --------
        >>> Effects.only(turbulence_mm=2.0) == replace(Effects.none(), turbulence_mm=2.0)
        True
        """
        unknown = set(strengths) - {field.name for field in fields(cls)}
        _rule(not unknown, "strengths", f"among {tuple(field.name for field in fields(cls))}", sorted(unknown))
        return replace(cls.none(), **strengths)


_SWITCHES = ("shared_looks", "coherence_by_intensity", "decorrelation", "layover", "water")


def _rule(holds: bool, name: str, rule: str, value: object) -> None:
    if not holds:
        raise LabkitError(f"{name} must be {rule}, instead got {name}={value!r}")

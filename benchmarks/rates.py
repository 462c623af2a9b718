"""How true and how fast rates are, beside the least error that any estimator can have.

    python benchmarks/rates.py [--seeds 5]

Scenes of 80 dates, 12 days apart, all pairs of up to 36 days, 24 looks, pixels of 40 m: landslides of 250 to 1200 m and
20 to 120 mm/yr in the line of sight, in air of 1 mm rms at 1 km. The coherence falls exponentially from 0.75 at day 0
through the one named at day 12 toward 0.03. Takes a minute or two and 1 GB of memory.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import platform
import statistics
import time
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter, uniform_filter

import labkit as lk
from labkit.simulate.fields import power_law_field
from labkit.simulate.interferometry import LOOKS, PHASE_SIGN, multilook_noise, phase_per_mm
from labkit.simulate.landslides import Landslide

Image = npt.NDArray[np.floating]

SHAPE, SPACING_M, DATES, REVISIT_DAYS, MAX_DAYS = (180, 240), 40.0, 80, 12, 36
INITIAL, LASTING = 0.75, 0.03
SIZES_M, PEAKS = (250, 350, 500, 800, 1200), (20, 30, 50, 80, 120)
#: 12-day coherence → share of a peak within which it has to come back, and correlation to be reached.
ASKED = {0.5: (0.10, 0.97), 0.3: (0.10, 0.97), 0.2: (0.15, 0.95)}


@dataclass(frozen=True)
class Slide:
    """A planted landslide: centre and half size in pixels, signed peak (mm/yr), its profile (y, x) from 0 to 1."""

    centre: tuple[int, int]
    half: int
    peak: float
    profile: Image


def coherence_after(steps: int, coherence_12: float) -> float:
    """True coherence of a pair of ``steps`` times 12 days."""
    kept = (coherence_12 - LASTING) / (INITIAL - LASTING)
    return LASTING + (INITIAL - LASTING) * kept**steps


def pixel_bound(coherence_12: float) -> float:
    """Least standard error of one pixel's rate, mm/yr, by the Cramér-Rao bound.

    The phase of a pair of coherence γ and L looks has a variance of at least (1 − γ²) / (2 L γ²) (Rodriguez and Martin
    1992; reached by the sample phase where γ²L is large), and grows by 4π/λ · T per mm/yr. Pairs count as independent,
    as they are simulated; the air adds error that is not in the bound.
    """
    information = 0.0
    for steps in range(1, MAX_DAYS // REVISIT_DAYS + 1):
        gamma = coherence_after(steps, coherence_12)
        sensitivity = phase_per_mm() * steps * REVISIT_DAYS / 365.25
        information += (DATES - steps) * sensitivity**2 * 2 * LOOKS * gamma**2 / (1 - gamma**2)
    return information**-0.5


def peak_bound(slide: Slide, coherence_12: float) -> float:
    """Least standard error of a slide's peak, as a share of it, for one who knows its place and shape beforehand."""
    return pixel_bound(coherence_12) / (float(np.sqrt((slide.profile**2).sum())) * abs(slide.peak))


def plant(kind: str, seed: int) -> list[Slide]:
    """Twenty landslides: "even", elliptic domes 1 − ρ², or "irregular", as the simulator's own scenes have them."""
    random = np.random.default_rng(seed)
    slides = []
    for k, (row, col) in enumerate(itertools.product(range(26, 160, 44), range(26, 220, 44))):
        size, peak = SIZES_M[k % len(SIZES_M)], float(random.choice(PEAKS) * random.choice((-1, 1)))
        centre = (row + random.uniform(-3, 3), col + random.uniform(-3, 3))
        profile = _dome(centre, size, random) if kind == "even" else _irregular(centre, size, random)
        rows, cols = np.nonzero(profile > 0.02)
        middle = (int(rows.max() + rows.min()) // 2, int(cols.max() + cols.min()) // 2)
        slides.append(Slide(middle, int(max(np.ptp(rows), np.ptp(cols))) // 2 + 1, peak, profile))
    return slides


def _dome(centre: tuple[float, float], size_m: float, random: np.random.Generator) -> Image:
    y, x = np.indices(SHAPE)
    along, across = (size_m / SPACING_M * random.uniform(*axis) for axis in ((0.55, 0.75), (0.5, 0.55)))
    rho = np.hypot((y - centre[0]) / along, (x - centre[1]) / across)
    dome = gaussian_filter(np.clip(1 - rho**2, 0, None), 0.8)
    return np.asarray(dome / dome.max())


def _irregular(centre: tuple[float, float], size_m: float, random: np.random.Generator) -> Image:
    y, x = np.indices(SHAPE)
    harmonics = random.normal(0.0, 0.16, (5, 2)) / np.arange(2, 7)[:, None]
    slide = Landslide(
        "planted", 0.0, 0.0, size_m * random.uniform(1.1, 1.5), size_m, random.uniform(0, 360), 25.0, 1.0,
        random.uniform(0.55, 0.95), harmonics,
    )  # fmt: skip
    return np.asarray(slide.share((x - centre[1]) * SPACING_M, (centre[0] - y) * SPACING_M))


def simulate(rate: Image, coherence_12: float, seed: int) -> xr.Dataset:
    """Interferograms of a LOS rate (y, x), mm/yr."""
    random = np.random.default_rng(seed)
    names = pd.date_range("2018-03-05", periods=DATES, freq=f"{REVISIT_DAYS}D")
    air = [
        power_law_field(
            SHAPE, SPACING_M, random, exponent=11 / 3, break_m=3000.0, outer_exponent=8 / 3,
            lag_m=1000.0, rms_difference=2.0 ** random.uniform(-1, 1),
        )
        for _ in range(DATES)
    ]  # fmt: skip
    pairs = [(i, j) for i, j in itertools.combinations(range(DATES), 2) if (j - i) * REVISIT_DAYS <= MAX_DAYS]
    phase = np.empty((len(pairs), *SHAPE), np.float32)
    coherence = np.empty_like(phase)
    for k, (i, j) in enumerate(pairs):
        noise, coherence[k] = multilook_noise(np.full(SHAPE, coherence_after(j - i, coherence_12)), LOOKS, random)
        motion = rate * (j - i) * REVISIT_DAYS / 365.25 - (air[j] - air[i])
        phase[k] = np.angle(np.exp(1j * (PHASE_SIGN * phase_per_mm() * motion + noise)))
    phase[phase >= np.float32(np.pi)] = -np.float32(np.pi)
    reference, secondary = (names[[pair[end] for pair in pairs]] for end in (0, 1))
    words = dict.fromkeys(("orbit_direction", "track", "burst", "processor"), "")
    numbers = {
        "wavelength": 4 * math.pi / phase_per_mm() / 1000, "heading": 192.0, "incidence_angle": 37.0,
        "y_spacing": SPACING_M, "x_spacing": SPACING_M * math.sin(math.radians(37.0)), "ground_spacing": SPACING_M,
    }  # fmt: skip
    return xr.Dataset(
        {"phase": (("pair", "y", "x"), phase), "coherence": (("pair", "y", "x"), coherence)},
        coords={
            "pair": [f"{a:%Y%m%d}_{b:%Y%m%d}" for a, b in zip(reference, secondary, strict=True)],
            "reference": ("pair", reference.to_numpy()),
            "secondary": ("pair", secondary.to_numpy()),
            "temporal_baseline": ("pair", (secondary - reference).days.to_numpy(float)),
            "perpendicular_baseline": ("pair", np.zeros(len(pairs))),
        },
        attrs={"scene": "benchmark", "geometry": "radar", "phase_sign": PHASE_SIGN, **numbers, **words},
    )


def measured(found: Image, rate: Image, slide: Slide) -> tuple[float, float, float]:
    """Correlation with its surroundings, and the peak over the true one: by 95th percentile and by maximum."""
    reach = 2 * slide.half
    around = tuple(slice(max(c - reach, 0), c + reach + 1) for c in slide.centre)
    correlation = float(np.corrcoef(found[around].ravel(), rate[around].ravel())[0, 1])
    inside = slide.profile > 0.02
    got, true = np.sign(slide.peak) * found[inside], np.sign(slide.peak) * rate[inside]
    return correlation, float(np.percentile(got, 95) / np.percentile(true, 95)), float(got.max() / true.max())


def accuracy(kind: str, coherence_12: float, seeds: int) -> None:
    """Print one line for each estimator."""
    tolerance, asked = ASKED[coherence_12]
    results: dict[str, list[tuple[float, float, float]]] = {"lsq": [], "circular": []}
    chances = []
    for seed in range(seeds):
        slides = plant(kind, seed)
        rate = sum((slide.peak * slide.profile for slide in slides), np.zeros(SHAPE))
        ifgs = simulate(rate, coherence_12, seed + 100)
        for slide in slides:
            # the chance that a normal deviate stays within the tolerance
            chances.append(math.erf(tolerance / peak_bound(slide, coherence_12) / math.sqrt(2)))
        for estimator, rows in results.items():
            gradients = lk.stack_gradients(ifgs, estimator, window=3, progress=False)
            found = np.nan_to_num(lk.integrate_rate(gradients)["rate"].values)
            rows.extend(measured(found, rate, slide) for slide in slides)
    for estimator, rows in results.items():
        correlation, robust, highest = np.array(rows).T
        within = [float(np.mean(np.abs(ratio - 1) <= tolerance)) for ratio in (robust, highest)]
        print(
            f"| {kind} | {coherence_12} | {estimator} | {np.median(correlation):.3f} ({asked}) | {tolerance:.0%} | "
            f"{within[0]:.0%} | {within[1]:.0%} | {np.mean(chances):.1%} | {np.prod(chances):.0%} |",
            flush=True,
        )


def large_stack(shape: tuple[int, int] = (1500, 5000)) -> xr.Dataset:
    """Gradients of a whole burst with noise, a hole and weights that differ from place to place."""
    random = np.random.default_rng(0)
    image = 100 * gaussian_filter(random.standard_normal(shape, np.float32), 8)
    gradient = random.normal(0, 0.3, (2, *shape)).astype(np.float32)
    gradient[0, :-1] += np.diff(image, axis=0)
    gradient[1, :, :-1] += np.diff(image, axis=1)
    gradient[0, -1], gradient[1, :, -1] = np.nan, np.nan
    gradient[:, 300:400, 700:900] = np.nan
    error = np.exp(30 * gaussian_filter(random.standard_normal(shape, np.float32), 20))
    images = {"gradient": gradient, "standard_error": np.where(np.isfinite(gradient), error, np.float32(np.nan))}
    return xr.Dataset(
        {name: (("direction", "y", "x"), values) for name, values in images.items()}
        | {"response": (("y", "x"), np.ones(shape, np.float32))},
        coords={"direction": ["azimuth", "range"]},
        attrs={
            "scene": "benchmark", "geometry": "radar", "wavelength": 0.0555, "phase_sign": -1, "incidence_angle": 37.0,
            "y_spacing": 40.0, "x_spacing": 24.0, "ground_spacing": 40.0, "sum_temporal_baseline": 10.0,
            "max_temporal_baseline": 36.0, "estimator": "lsq", "lag": 1, "window": 3,
        },
    )  # fmt: skip


def speed(runs: int = 5) -> None:
    """Print the time of a whole burst, in turns with two things that a reader knows."""
    gradients = large_stack()
    image = np.nan_to_num(gradients["gradient"].values[0])
    lk.integrate_rate(gradients.isel(y=slice(0, 200), x=slice(0, 200)))
    steps = {
        "integrate_rate": lambda: lk.integrate_rate(gradients),
        "numpy.fft.fft2 of one image": lambda: np.fft.fft2(image),
        "scipy uniform_filter(9) of one image": lambda: uniform_filter(image, 9),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    worked = []
    for _ in range(runs):
        for name, step in steps.items():
            start, processor = time.perf_counter(), time.process_time()
            step()
            times[name].append(time.perf_counter() - start)
            if name == "integrate_rate":
                worked.append(time.process_time() - processor)
    ours = times["integrate_rate"]
    print(f"\n1500 × 5000: integrate_rate {min(ours):.2f} s at best, {statistics.median(ours):.2f} s in the median")
    print(f"  = {statistics.median(worked):.2f} s of processor time, all cores together")
    for name, taken in list(times.items())[1:]:
        print(f"  = {statistics.median(ours) / statistics.median(taken):.1f} × {name}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="scenes of twenty landslides for each line")
    seeds = parser.parse_args().seeds
    print(f"{platform.machine()}, {os.cpu_count()} cores, NumPy {np.__version__}, numba {numba.__version__}")
    for coherence_12 in ASKED:
        later = ", ".join(f"{coherence_after(steps, coherence_12):.2f}" for steps in (1, 2, 3))
        print(f"coherence {later} at 12, 24, 36 days: no pixel better than {pixel_bound(coherence_12):.1f} mm/yr")
    columns = (
        "slides", "coherence", "estimator", "correlation (asked)", "tolerance", "peaks within it, by 95th percentile",
        "by maximum", "expected at the bound", "chance of all at the bound",
    )  # fmt: skip
    print("\n| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for kind, coherence_12 in itertools.product(("even", "irregular"), ASKED):
        accuracy(kind, coherence_12, seeds)
    speed()


if __name__ == "__main__":
    main()

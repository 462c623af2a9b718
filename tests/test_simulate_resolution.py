"""What neighbouring pixels share follows from the sensor, as two images drawn on the grid of its samples show."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from labkit.simulate.geometry import Frame
from labkit.simulate.resolution import (
    AZIMUTH,
    RANGE_SAMPLE_M,
    REACH,
    Band,
    Sharing,
    range_band,
    shared_looks,
    sharing,
    sharing_at,
)
from labkit.simulate.speckle import add_speckle, pair_key

#: The pixels of the real files of Danba: 4 samples in range by 1 in azimuth, 9.3 × 14 m.
FINE = Frame("descending", 192.8, 37.3, (300, 300), 14.7)
RANGE = range_band(FINE.incidence_angle)


def images(shape: tuple[int, int], frame: Frame, coherence: float, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Two single-look complex images of a coherence, band-limited and weighted as the sensor does; samples a pixel."""
    random = np.random.default_rng(seed)
    looks = max(1, round(frame.slant_spacing_m / RANGE_SAMPLE_M))
    rows, cols = shape[0], shape[1] * looks
    along, across = np.fft.fftfreq(rows, frame.spacing_m), np.fft.fftfreq(cols, frame.slant_spacing_m / looks)

    def window(frequency: np.ndarray, band: Band) -> np.ndarray:
        inside = np.abs(frequency * band.cell_m) < 0.5
        return inside * (band.hamming + (1 - band.hamming) * np.cos(2 * np.pi * frequency * band.cell_m))

    response = np.outer(window(along, AZIMUTH), window(across, RANGE))
    white = random.standard_normal((2, 2, rows, cols))
    first, second = (np.fft.ifft2(np.fft.fft2(real + 1j * imag) * response) for real, imag in white)
    return first, coherence * first + np.sqrt(1 - coherence**2) * second, looks


def multilooked(first: np.ndarray, second: np.ndarray, looks: int) -> np.ndarray:
    return (second * first.conj()).reshape(len(first), -1, looks).sum(axis=2)


def octaves(phase: np.ndarray, axis: int) -> np.ndarray:
    """Power of the unit phasor in four octaves up to the Nyquist frequency."""
    power = np.abs(np.fft.fft(np.exp(1j * phase), axis=axis)) ** 2
    frequency = np.abs(np.fft.fftfreq(phase.shape[axis]))
    edges = 2.0 ** -np.arange(1, 6)
    return np.array(
        [
            np.take(power, np.flatnonzero((frequency > low) & (frequency <= high)), axis).mean()
            for high, low in pairwise(edges)
        ]
    )


@pytest.mark.parametrize("coherence", [0.0, 0.3, 0.6, 0.85])
def test_the_phase_has_the_spectrum_of_multilooked_single_look_images(coherence: float) -> None:
    """Within 15 %, and its spread within 3 %: the looks are counted rightly."""
    shared = sharing(FINE)
    expected, made, spread = [], [], []
    for seed in range(3):
        first, second, looks = images((300, 300), FINE, coherence, seed)
        true = np.angle(multilooked(first, second, looks))
        phase, magnitude = np.zeros((300, 300), np.float32), np.full((300, 300), coherence, np.float32)
        add_speckle(pair_key(seed, coherence), shared.looks, phase, magnitude, shared)
        for image, sums in ((true, expected), (phase, made)):
            sums.append([octaves(image, axis) for axis in (0, 1)])
        spread.append(phase.std() / true.std())
    np.testing.assert_allclose(np.mean(made, axis=0), np.mean(expected, axis=0), rtol=0.15)
    assert np.mean(spread) == pytest.approx(1.0, abs=0.03)


def test_intensities_of_samples_have_the_looks_and_the_correlation_by_the_formula() -> None:
    first, _, looks = images((400, 400), FINE, 0.0, 2)
    intensity = (np.abs(first) ** 2).reshape(400, 400, looks).sum(axis=2)
    shared = sharing(FINE)
    assert intensity.mean() ** 2 / intensity.var() == pytest.approx(shared.intensity_looks, rel=0.03)
    # the mean of the inverse power is what the phase goes by where coherence is high
    inverse = float((intensity.mean() / intensity).mean())
    assert inverse == pytest.approx(shared.looks / (shared.looks - 1), rel=0.03)
    along, _ = shared_looks(FINE.spacing_m, AZIMUTH)
    across, _ = shared_looks(FINE.slant_spacing_m, RANGE)
    for axis, correlation in ((0, along), (1, across)):
        for lag in (1, 2):
            kept = np.moveaxis(intensity, axis, 0)
            assert np.corrcoef(kept[lag:].ravel(), kept[:-lag].ravel())[0, 1] == pytest.approx(
                correlation[lag], abs=0.015
            )


def test_weights_make_the_correlation_that_was_asked_for() -> None:
    shared = sharing(FINE)
    correlation, _ = shared_looks(FINE.spacing_m, AZIMUTH)
    made = np.correlate(shared.azimuth, shared.azimuth, "full")[2 * REACH :]
    np.testing.assert_allclose(made[: REACH + 1], correlation, atol=0.01)


def test_a_band_resolves_what_it_says_and_its_correlation_is_that_by_hand() -> None:
    """Of a + b cos the power's integral is a² + b²/2, and ∫ (a + b cos 2πs)² cos 2πs ds = a b: one cell away
    a b / (a² + b²/2) of the correlation is left."""
    a, b = AZIMUTH.hamming, 1 - AZIMUTH.hamming
    assert float(AZIMUTH.correlation(np.array([0.0]))[0]) == pytest.approx(1.0)
    left = float(AZIMUTH.correlation(np.array([AZIMUTH.cell_m]))[0])
    assert left == pytest.approx(a * b / (a**2 + b**2 / 2), rel=1e-6)
    # without a weight the power of a sinc falls to one half at 0.443 of a cell to either side
    assert Band(20.0, 0.887 * 20.0, 14.0).hamming == pytest.approx(1.0, abs=5e-3)
    # half power at half the resolution from the middle, by the transform of the weighted band
    frequency = np.linspace(-0.5, 0.5, 20_001) / AZIMUTH.cell_m
    window = a + b * np.cos(2 * np.pi * frequency * AZIMUTH.cell_m)
    point = np.trapezoid(window * np.cos(2 * np.pi * frequency * 11.0), frequency) / np.trapezoid(window, frequency)
    assert point**2 == pytest.approx(0.5, abs=1e-4)


def test_each_sub_swath_has_the_band_of_its_chirp() -> None:
    """56.5, 48.3 and 42.79 MHz under the angles of IW1, IW2 and IW3; Danba, at 37.3°, lies in IW2."""
    bands = [range_band(angle) for angle in (31.0, 34.1, 37.3, 39.5, 44.1, 45.9)]
    megahertz = [299_792_458.0 / 2 / band.cell_m / 1e6 for band in bands]
    assert megahertz == pytest.approx([56.5, 56.5, 48.3, 48.3, 42.79, 42.79])
    # a wider chirp resolves more, so that as many samples are worth more looks
    looks = [sharing_at(40.0, 25.0, angle).looks for angle in (34.1, 39.5, 44.1)]
    assert looks == sorted(looks, reverse=True) and looks[0] > 1.2 * looks[2]
    for band in bands:
        assert 0.6 < band.hamming < 0.9


def test_coarse_pixels_share_little_and_hold_more_looks() -> None:
    """40 m: 3 samples in azimuth by 11 in range, worth 13.0 looks; an eighth is shared along the track, none across."""
    coarse, fine = sharing(Frame("ascending", 348.0, 38.6, (9, 9), 40.0)), sharing(FINE)
    assert coarse.looks == pytest.approx(12.95, abs=0.1) and fine.looks == pytest.approx(2.98, abs=0.02)
    neighbour = [float(np.correlate(s.azimuth, s.azimuth, "full")[2 * REACH + 1]) for s in (coarse, fine)]
    assert neighbour == pytest.approx([0.121, 0.426], abs=0.01)


@pytest.mark.parametrize("coherence", [0.0, 0.5, 0.9])
def test_sharing_leaves_the_law_of_a_single_pixel_as_it_is(coherence: float) -> None:
    """Every seventh pixel is independent: its phase and coherence are those of pixels that share nothing."""
    shape = 700, 700
    drawn: list[tuple[np.ndarray, np.ndarray]] = []
    for key, shared in ((1, None), (2, sharing(FINE))):
        phase, magnitude = np.zeros(shape, np.float32), np.full(shape, coherence, np.float32)
        add_speckle(pair_key(key), 4.0, phase, magnitude, shared)
        drawn.append((phase[::7, ::7].ravel(), magnitude[::7, ::7].ravel()))
    for alone, with_neighbours in zip(*drawn, strict=True):
        assert stats.ks_2samp(alone, with_neighbours).pvalue > 1e-3


def test_a_block_of_rows_is_that_of_the_whole_image() -> None:
    shared: Sharing = sharing(FINE)
    made = []
    for rows in (60, 25):
        phase, magnitude = np.zeros((rows, 90), np.float32), np.full((rows, 90), 0.4, np.float32)
        add_speckle(pair_key(7), 3.0, phase, magnitude, shared)
        made.append((phase, magnitude))
    for whole, part in zip(*made, strict=True):
        np.testing.assert_array_equal(whole[:25], part)

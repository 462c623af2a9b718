"""The size that the flat rasters of most pairs have, and the pairs that have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from labkit.errors import FileError
from labkit.read.flat_pair import FlatPair
from labkit.read.skipped import Skipped


def common_shape(pairs: Sequence[FlatPair], skipped: Skipped) -> tuple[tuple[int, int], list[FlatPair]]:
    """Give the lines and samples that most pairs have, and the pairs all of whose bands have them.

    Parameters
    ----------
    pairs : sequence of FlatPair
        At least one, each with a band of phase.
    skipped : Skipped
        Takes note of pairs of another size, where skipping is wanted.

    Raises
    ------
    FileError
        A pair has another size.
    """
    sizes = [(pair.phase_band.shape, pair.phase) for pair in pairs if pair.phase_band]
    shape = Counter(size for size, _ in sizes).most_common(1)[0][0]
    example = next(path for size, path in sizes if size == shape)
    kept = []
    for pair in pairs:
        with skipped.pair(pair.name):
            for band in (pair.phase_band, pair.imaginary_band, pair.coherence_band):
                if band is not None and band.shape != shape:
                    raise FileError(
                        f"{band.path} must have the size of the other pairs, {shape[0]} × {shape[1]} as {example}, "
                        f"instead got {band.shape[0]} × {band.shape[1]}. Make it again with the same looks and extent"
                    )
            kept.append(pair)
    return shape, kept

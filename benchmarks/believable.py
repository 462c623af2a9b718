"""Hold simulated pairs against real ones of the same dates: a picture to judge blind, and how well a computer judges.

    LABKIT_REAL_DATA=… python benchmarks/believable.py OUT [--count 6] [--seed 0]

``OUT/side_by_side.png`` shows cuts of real pairs of Danba and of simulated ones of the same dates, each over a hillside
of its own in simulated mountains, in an order that only ``OUT/key.json`` tells. A
logistic regression on texture (how phase and coherence go with their neighbours, how coherence is spread) learns from
four fifths of the pairs to tell both apart and is asked about the rest; 0.5 is chance. It is asked twice: about pairs
whose pixels share no looks and whose coherence is that of each pixel alone, and about pairs with both; of these also by
one kind of feature at a time.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.optimize import minimize

import labkit as lk
from labkit import files, view
from labkit.simulate import Effects, pairs_like
from labkit.simulate.hillsides import Hillside, hillsides_like
from labkit.simulate.resolution import sharing_at

Array = npt.NDArray[np.floating]

#: Lines and samples of what is drawn.
SIZE = (46, 54)

#: Tiles per image along y and x, whose texture is judged.
TILES = (2, 3)

FOLDS = 5
LAGS = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (0, 4), (4, 0), (0, 8), (8, 0))


#: Which of the features of :func:`texture` are of one kind.
KINDS = {
    "how coherence is spread": slice(0, 5),
    "how phase goes with its neighbours": slice(5, None, 2),
    "how coherence goes with its neighbours": slice(6, None, 2),
}


def texture(ifgs: xr.Dataset) -> Array:
    """(pair, tile, feature): neighbours' phasors and coherences, and the spread of coherence."""
    rows, cols = (ifgs.sizes[axis] // count for axis, count in zip(("y", "x"), TILES, strict=True))
    made = []
    for top in range(TILES[0]):
        for left in range(TILES[1]):
            cut = ifgs.isel(y=slice(top * rows, (top + 1) * rows), x=slice(left * cols, (left + 1) * cols))
            phasor, coherence = np.exp(1j * np.nan_to_num(cut["phase"].values)), np.nan_to_num(cut["coherence"].values)
            features = [np.quantile(coherence, share, axis=(1, 2)) for share in (0.05, 0.25, 0.5, 0.75, 0.95)]
            centred = coherence - coherence.mean(axis=(1, 2), keepdims=True)
            for dy, dx in LAGS:
                near, far = phasor[:, dy:, dx:], phasor[:, : rows - dy, : cols - dx]
                features.append(np.abs((near * far.conj()).mean(axis=(1, 2))))
                near, far = centred[:, dy:, dx:], centred[:, : rows - dy, : cols - dx]
                features.append((near * far).mean(axis=(1, 2)) / centred.var(axis=(1, 2)))
            made.append(np.stack(features, axis=1))
    return np.stack(made, axis=1)


def told_apart(real: Array, simulated: Array, seed: int = 0) -> float:
    """Share of tiles of unseen pairs that a logistic regression names rightly; a pair is unseen in both stacks."""
    fold = np.random.default_rng(seed).permutation(len(real)) % FOLDS
    right = []
    for unseen in range(FOLDS):
        learn, ask = fold != unseen, fold == unseen
        data = [np.concatenate([s[rows].reshape(-1, s.shape[-1]) for s in (real, simulated)]) for rows in (learn, ask)]
        truth = [np.repeat([1.0, -1.0], len(rows) // 2) for rows in data]
        middle, spread = data[0].mean(axis=0), data[0].std(axis=0)
        known, asked = ((np.c_[(rows - middle) / spread, np.ones(len(rows))]) for rows in data)

        def loss(weights: Array, known: Array = known, truth: Array = truth[0]) -> tuple[float, Array]:
            margin = truth * (known @ weights)
            slope = -(known * (truth / (1 + np.exp(margin)))[:, None]).sum(axis=0) + 2 * weights
            return float(np.logaddexp(0, -margin).sum() + (weights**2).sum()), slope

        weights = minimize(loss, np.zeros(known.shape[1]), jac=True, method="L-BFGS-B").x
        right.append(np.sign(asked @ weights) == truth[1])
    return float(np.concatenate(right).mean())


def main() -> None:
    """Simulate, draw, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only-picture", action="store_true")
    chosen = parser.parse_args()
    real = lk.select_pairs(lk.open_interferograms(Path(os.environ["LABKIT_REAL_DATA"]) / "danba_gamma")).compute()
    # the outermost pixels of the files are no data
    real = real.isel(y=slice(1, -1), x=slice(1, -1))
    hillsides = hillsides_like(real, chosen.count, seed=chosen.seed)
    grounds = [
        pairs_like(real, height=side.height, movers=side.movers, seed=chosen.seed * 1000 + number)
        for number, side in enumerate(hillsides)
    ]
    key = view.save_side_by_side_png(
        real, grounds, chosen.out / "side_by_side.png", count=chosen.count, size=SIZE, seed=chosen.seed
    )
    with files.whole(chosen.out / "key.json") as beside:
        beside.write_text(json.dumps(dict(enumerate(key, 1)), indent=1))
    print(f"{chosen.out / 'side_by_side.png'}: {len(key)} cuts of pairs")
    if chosen.only_picture:
        return
    looks = sharing_at(*(real.attrs[name] for name in ("y_spacing", "x_spacing", "incidence_angle"))).looks
    known = texture(real)
    for words, effects in (
        ("without shared looks and window", Effects(looks=looks, shared_looks=False)),
        ("with both", None),
    ):
        made = texture(_of_all(real, hillsides, effects, chosen.seed * 1000))
        print(f"told apart {words}: {told_apart(known, made):.2f} of tiles (0.5 is chance)")
    for words, features in KINDS.items():
        print(f"by {words} alone: {told_apart(known[..., features], made[..., features]):.2f}")


def _of_all(real: xr.Dataset, hillsides: list[Hillside], effects: Effects | None, seed: int) -> xr.Dataset:
    """The pairs of the real stack, each over one of the hillsides in turn."""
    turns = [
        pairs_like(real, effects, height=side.height, movers=side.movers, seed=seed + number)
        for number, side in enumerate(hillsides)
    ]
    pairs = [turns[number % len(turns)].isel(pair=[number]) for number in range(real.sizes["pair"])]
    return xr.concat(pairs, "pair").compute()


if __name__ == "__main__":
    main()

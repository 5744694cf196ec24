"""Digits-Mosaic: scikit-learn's digits, several on a canvas, with a long tail of labels.

An image is 32 x 32 grey pixels with one to four digits in cells of ten, clutter and noise. A rare
label never comes alone in training and often beside one frequent partner; in the test set labels
are equally frequent and independent. Training shows a class by its first n_c pictures only.
"""

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from ltbench.data.description import Part
from ltbench.data.profile import kept

READER = "digits_mosaic"
CLASSES, SIDE = 10, 32
TESTED, HELD_OUT = 2000, 500  # images of the test and the validation set
RARE = 100  # labels with fewer training images never come alone
PARTNER = 4  # how much likelier the partner of a label is than its quota makes it
_CELL, _BORDER, _DIGIT = 10, 1, 8
_CLUTTER = 30  # percent of the cells left

Labels = npt.NDArray[np.int64]  # [N, 10], of 0 and 1
Pictures = npt.NDArray[np.uint8]  # [N, 32, 32, 1]


@cache
def training_labels(counts: tuple[int, ...], seed: int) -> Labels:
    """Return label sets that have counts[c] of label c exactly.

    The rarest label with a quota left is the next anchor. It gets up to three others, by what is
    left of their quotas, its partner, label c mod 4, four times as likely. Where all counts are
    equal, the balanced control, no label has a partner or must have company.
    """
    stream, left = np.random.RandomState(seed), np.array(counts)
    order = np.argsort(counts, kind="stable")
    tailed = len(set(counts)) > 1
    rows = []
    while left.any():
        anchor = next(c for c in order if left[c])
        size = stream.choice([1, 2, 3, 4], p=[0.2, 0.4, 0.3, 0.1])
        if tailed and counts[anchor] < RARE:
            size = max(size, 2)
        chosen = [anchor]
        for _ in range(size - 1):
            weights = left.astype(np.float64)
            if tailed:
                weights[anchor % 4] *= PARTNER
            weights[chosen] = 0
            if not weights.any():
                break
            chosen.append(stream.choice(CLASSES, p=weights / weights.sum()))
        left[chosen] -= 1
        rows.append(chosen)
    return _matrix([rows[i] for i in stream.permutation(len(rows))])


@cache
def balanced_labels(images: int, seed: int) -> Labels:
    """Return label sets of one to four labels, all equally likely; the first of more are these."""
    stream = np.random.RandomState(seed)
    rows = []
    for _ in range(images):
        order = stream.permutation(CLASSES)
        rows.append(order[: stream.randint(1, 5)])
    return _matrix(rows)


def labels_of(part: Part, counts: tuple[int, ...], fraction: float, seed: int) -> Labels:
    """Return the label sets of a part.

    Training ones have `counts` and are drawn by `seed`. Of the others, which are always the same,
    the first `fraction` is kept.
    """
    if part == "train":
        return training_labels(counts, seed)
    images, purpose = {"val": (HELD_OUT, 101), "test": (TESTED, 102)}[part]
    return balanced_labels(images, purpose)[: kept(images, fraction)]


def pictures_of(labels: Labels, part: Part, seed: int) -> Pictures:
    """Return the pictures of label sets: in training those of `seed`, else always the same."""
    purpose = {"train": seed + 1, "val": 2, "test": 3}[part]
    limits = labels.sum(0).tolist() if part == "train" else None
    return _drawn(labels, pool_of(part), limits, purpose)


def _drawn(
    labels: Labels,
    pool: Sequence[npt.NDArray[np.int64]],
    limits: Sequence[int] | None,
    purpose: int,
) -> Pictures:
    stream, digits = np.random.RandomState(purpose), _digits()
    every = np.concatenate(pool)
    own = pool if limits is None else [p[:n] for p, n in zip(pool, limits, strict=True)]
    turns = [0] * CLASSES
    images = np.zeros((len(labels), SIDE, SIDE), np.int64)
    for image, row in zip(images, labels, strict=True):
        cells = stream.permutation(9)
        waiting = list(stream.permutation(np.flatnonzero(row)))
        for cell in cells:
            if waiting:
                c = waiting.pop(0)
                digit = digits[own[c][turns[c] % len(own[c])]]
                turns[c] += 1
            elif stream.randint(0, 100) < _CLUTTER:
                digit = digits[every[stream.randint(len(every))]]
                digit = stream.permutation(digit.ravel()).reshape(_DIGIT, _DIGIT)
            else:
                continue
            top, left = (stream.randint(0, 3) for _ in range(2))
            top += _BORDER + _CELL * (cell // 3)
            left += _BORDER + _CELL * (cell % 3)
            grey = digit * stream.randint(60, 101) * 255 // 1600
            image[top : top + _DIGIT, left : left + _DIGIT] = grey
        image[:] += stream.randint(-40, 41, image.shape)
    return images.clip(0, 255).astype(np.uint8)[..., None]


@cache
def _digits() -> npt.NDArray[np.int64]:
    """Return scikit-learn's digits [1797, 8, 8], of 0 to 16."""
    from sklearn.datasets import load_digits  # noqa: PLC0415  (slow: only when used)

    return np.asarray(load_digits().images).astype(np.int64)


@cache
def pool_of(part: Part) -> list[npt.NDArray[np.int64]]:
    """Return the indices of a part's digits, class by class; no digit is in two parts."""
    from sklearn.datasets import load_digits  # noqa: PLC0415

    stream, found = np.random.RandomState(0), []
    target = load_digits().target
    for c in range(CLASSES):
        members = stream.permutation(np.flatnonzero(target == c))
        first = int(0.6 * len(members))
        second = first + int(0.15 * len(members))
        bounds = {"train": (0, first), "val": (first, second), "test": (second, len(members))}
        found.append(members[slice(*bounds[part])])
    return found


def _matrix(rows: Iterable[Iterable[int]]) -> Labels:
    found = list(rows)
    matrix = np.zeros((len(found), CLASSES), np.int64)
    for row, chosen in zip(matrix, found, strict=True):
        row[list(chosen)] = 1
    return matrix

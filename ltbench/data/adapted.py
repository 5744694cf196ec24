"""NUS-WIDE-SCENE and MIML: from a user's folder to a list and a description of one's own.

NUS-WIDE-SCENE (Chua et al. 2009) has its official halves. MIML's image data (Zhou and Zhang) has no
split: ours halves the images of every set of labels, by a fixed seed. `miml_lt` keeps training
images so that label counts fall exponentially, from the most frequent label to the rarest.
"""

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from ltbench.data.lists import ListedImage
from ltbench.data.profile import class_counts
from ltbench.data.several_labels import SEPARATOR, read_labelled
from ltbench.errors import LtbenchError, UsageError, first_line

MIML = ("desert", "mountains", "sea", "sunset", "trees")
POSITIVES = (409, 458, 580, 465, 560)  # images of each, of the 2,000 there are
SCENES = 33  # labels of NUS-WIDE-SCENE
IMBALANCE = 50.0  # of miml_lt, ours
HALVES = ("multilabel_train_list.txt", "multilabel_test_list.txt")
_SEED = 0

_DESCRIPTION = """\
# {title}, as `ltbench data prepare {name}` read it; change it as any description of your own.
name: {name}
title: {title}
kind: multi
images: {images}
list: {list}
classes: {classes}
size: 224
mean: [0.485, 0.456, 0.406]
std: [0.229, 0.224, 0.225]
"""


def write_description(
    name: str, images: Path, labels: Path, root: Path, imbalance: float | None, *, verify: bool
) -> Path:
    """Write lists and the description `NAME.yaml` under `root`, and return the latter.

    `labels` is a list of the images, for NUS-WIDE-SCENE a folder with one of each half, for MIML
    perhaps the original's `.mat`. Raises UsageError for labels that are not those of the set.
    """
    if name == "nus_wide_scene":
        title, entries = "NUS-WIDE-SCENE", _scenes(images, labels)
        classes = list(dict.fromkeys(label for each in entries for label in _of(each)))
        classes.sort(key=lambda label: (int(label), label) if label.isdigit() else (0, label))
        known: object = SCENES
        found: object = len(classes)
    else:
        title, entries = "MIML", _halved(_miml(images, labels))
        counts = Counter(label for each in entries for label in _of(each))
        classes, known = list(MIML), POSITIVES
        found = tuple(counts[label] for label in MIML)
    if verify and found != known:
        raise UsageError(
            f"{title} has labels of {known} and {labels} gives {found}; use its own labels, or "
            "take these with --other-lists."
        )
    if name == "miml_lt":
        ratio = IMBALANCE if imbalance is None else imbalance
        title, entries = f"MIML-LT, r = {ratio:g}", long_tailed(entries, ratio)
    root.mkdir(parents=True, exist_ok=True)
    described = root / f"{name}.yaml"
    lists = {}
    for part in dict.fromkeys(("train", "test", *(each.part for each in entries))):
        lists[part] = f"{name}_{part}.txt"
        lines = (_flags(each, classes) for each in entries if each.part == part)
        (root / lists[part]).write_text("".join(lines), encoding="utf-8")
    quoted = [_quoted(label) for label in classes]
    described.write_text(
        _DESCRIPTION.format(
            name=name, title=_quoted(title), images=_quoted(str(images.resolve())),
            list="{" + ", ".join(f"{part}: {path}" for part, path in lists.items()) + "}",
            classes=f"[{', '.join(quoted)}]",
        ),
        encoding="utf-8",
    )  # fmt: skip
    return described


def long_tailed(entries: list[ListedImage], ratio: float) -> list[ListedImage]:
    """Return the images with a tail among those of training; the others stay.

    Of labels in order of their images, label c is to have n_max (1 / ratio)^(c / (C - 1)). Images
    of rare labels come first, in an order that is drawn once; one is kept where all its labels
    have had fewer than they are to have.
    """
    trained = [each for each in entries if each.part == "train"]
    counts = Counter(label for each in trained for label in _of(each))
    order = sorted(counts, key=lambda label: (-counts[label], label))
    wanted = dict(
        zip(order, class_counts(counts[order[0]], len(order), ratio, "exponential"), strict=True)
    )
    drawn = np.random.RandomState(_SEED).permutation(len(trained))
    rarest = sorted(
        drawn, key=lambda i: min((wanted[label] for label in _of(trained[i])), default=0)
    )
    had: Counter[str] = Counter()
    kept = set()
    for index in rarest:
        own = _of(trained[index])
        if all(had[label] < wanted[label] for label in own):
            kept.add(trained[index].name)
            had.update(own)
    return [each for each in entries if each.part != "train" or each.name in kept]


def _halved(entries: list[ListedImage]) -> list[ListedImage]:
    """Return the images with a part each: half of every set of labels, in an order drawn once."""
    alike: dict[str, list[ListedImage]] = defaultdict(list)
    for each in sorted(entries, key=lambda each: each.name):
        alike[each.label].append(each)
    stream, found, extra = np.random.RandomState(_SEED), [], 0
    for label in sorted(alike):
        members = [alike[label][i] for i in stream.permutation(len(alike[label]))]
        half = (len(members) + extra) // 2
        extra = (extra + len(members)) % 2  # an odd one goes to either side in turn
        found += [replace(each, part="train") for each in members[:half]]
        found += [replace(each, part="test") for each in members[half:]]
    return sorted(found, key=lambda each: each.name)


def _scenes(images: Path, labels: Path) -> list[ListedImage]:
    if not labels.is_dir():
        return read_labelled(labels, images)
    missing = [name for name in HALVES if not (labels / name).is_file()]
    if missing:
        raise UsageError(
            f"{labels / missing[0]} is not there; give the folder that has {' and '.join(HALVES)}, "
            "or one CSV of path, label and split."
        )
    train, test = (labels / name for name in HALVES)
    return [*read_labelled(train, images, "train"), *read_labelled(test, images, "test")]


def _miml(images: Path, labels: Path) -> list[ListedImage]:
    if labels.suffix != ".mat":
        return read_labelled(labels, images)
    from scipy.io import loadmat  # noqa: PLC0415  (slow: only when used)

    try:
        targets = np.asarray(loadmat(labels)["targets"])
        rows = targets.T if targets.shape[0] == len(MIML) else targets
        if rows.ndim != 2 or rows.shape[1] != len(MIML):
            raise ValueError(f"its targets are of the shape {targets.shape}")
    except (OSError, ValueError, KeyError, NotImplementedError) as error:
        raise LtbenchError(
            f"{labels} does not read ({first_line(error)}); give the original's, whose `targets` "
            f"have {len(MIML)} labels an image, or a CSV of path and label."
        ) from None
    entries = []
    for number, row in enumerate(rows, 1):
        own = SEPARATOR.join(label for label, value in zip(MIML, row, strict=True) if value > 0)
        entries.append(ListedImage(f"{number}.jpg", images / f"{number}.jpg", own, "train"))
    return entries


def _flags(entry: ListedImage, classes: list[str]) -> str:
    """Return an image's line, `path 0,1,0`; raises UsageError for a label that there is not."""
    own = _of(entry)
    if strange := set(own) - set(classes):
        raise UsageError(
            f"{entry.name} has label {min(strange)!r}, which is none of {', '.join(classes)}."
        )
    return f"{entry.name}\t{','.join(str(int(label in own)) for label in classes)}\n"


def _quoted(text: str) -> str:
    """Return text as YAML quotes it."""
    return "'" + text.replace("'", "''") + "'"


def _of(entry: ListedImage) -> list[str]:
    return entry.label.split(SEPARATOR) if entry.label else []

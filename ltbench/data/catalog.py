"""The data sets ltbench knows, as plain facts. Imports nothing heavy, so the CLI can list them."""

from __future__ import annotations  # annotations name types whose modules are heavy

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ltbench.data import profile as profiles
from ltbench.data.info import SHIPPED, DatasetInfo
from ltbench.data.installed import installed, installed_names
from ltbench.data.profile import PROFILES, ImbalanceProfile
from ltbench.errors import UsageError, unknown
from ltbench.specification import Term, parse_one

if TYPE_CHECKING:
    from ltbench.data.description import Part
    from ltbench.data.label_lists import LabelSets

# All that tables may name.
KNOWN: dict[str, DatasetInfo] = {info.name: info for info in SHIPPED}

# What this version can read.
CATALOG = {name: info for name, info in KNOWN.items() if info.reader is not None}


def register(info: DatasetInfo) -> None:
    """Make a data set of one's own known by its name, in this process.

    Raises UsageError for the name of another: ltbench's own, or that of another file.
    """
    other = KNOWN.get(info.name)
    if other is not None and other.file != info.file:
        whose = f"described by {other.file}" if other.file else "a data set of ltbench"
        raise UsageError(f"{info.file}: {info.name} is {whose}; choose another name.")
    KNOWN[info.name] = CATALOG[info.name] = info


@dataclass(frozen=True)
class Dataset:
    """A data set at one imbalance ratio; `str()` is its canonical specification."""

    info: DatasetInfo
    imbalance: float
    profile: ImbalanceProfile = "exponential"

    def __str__(self) -> str:
        info = self.info
        name = f"{info.name}@{info.variant}" if info.variant else info.name
        if info.listed:
            return name
        profile = "" if self.profile == "exponential" else f", profile={self.profile!r}"
        return f"{name}(imbalance={self.ratio}{profile})"

    @property
    def ratio(self) -> str:
        """Return the imbalance ratio as people write it; nothing where there is only one.

        It reads back as the same number.
        """
        return "" if self.info.listed else _shortest(self.imbalance)

    @property
    def series(self) -> str:
        """Return the name as papers print it, the same at all ratios of one profile."""
        return self.info.title + ("" if self.profile == "exponential" else f", {self.profile}")

    @cached_property
    def title(self) -> str:
        """Return the name as papers print it, with the ratio where there are several."""
        return self.series if self.info.listed else f"{self.series}, r = {self.ratio}"

    @property
    def reported_imbalance(self) -> float | None:
        """Return the ratio in papers' CSV files; None for a set that has only one."""
        return None if self.info.listed else self.imbalance

    @property
    def available(self) -> bool:
        """Return whether this version can read it."""
        return self.info.reader is not None

    def class_counts(self, *, fraction: float = 1.0, validation: int = 0) -> tuple[int, ...]:
        """Return the training images of each class, [C].

        `fraction` of each class is kept, at least one image, and of those `validation` are held
        out. Where images have several labels, those with each label. Raises UsageError where that
        leaves a class without any, none can be held out, or the list is not here.
        """
        info = self.info
        if validation and info.kind == "multi":
            raise UsageError(
                f"{info.name} has several labels an image, so {validation} of each class cannot be "
                "held out; leave validation out."
            )
        whole: Sequence[int] = info.counts or (
            profiles.published_counts(info.name)
            if info.listed
            else profiles.class_counts(info.head_count, info.classes, self.imbalance, self.profile)
        )
        if info.annotated and fraction < 1:
            return tuple(self.label_sets("train", fraction).sum(0).tolist())
        kept = [profiles.kept(count, fraction) for count in whole]
        if min(kept) <= validation:
            raise UsageError(
                f"validation={validation} leaves class {kept.index(min(kept))} with no training "
                f"image of its {min(kept)}; hold out fewer or choose a smaller imbalance."
            )
        return tuple(count - validation for count in kept)

    def shots(self, *, fraction: float = 1.0, validation: int = 0) -> tuple[str, ...]:
        """Return the shot group of each class; held-out images count as training images."""
        counts = self.class_counts(fraction=fraction, validation=validation)
        bounds = self.info.many_above, self.info.few_below
        return tuple(profiles.shot_groups(counts, validation, *bounds))

    def training_images(self, fraction: float = 1.0, subset_seed: int = 0) -> int | None:
        """Return the training images with several labels each; None where they have one."""
        if self.info.kind == "single":
            return None
        return len(self.label_sets("train", fraction, subset_seed))

    def label_sets(self, part: Part, fraction: float, subset_seed: int = 0) -> LabelSets:
        """Return the labels of a part's images that have several each, [N, C] of 0 and 1."""
        from ltbench.data.label_sets import label_sets  # noqa: PLC0415  (slow: only when used)

        counts = () if self.info.annotated else self.class_counts(fraction=fraction)
        return label_sets(self.info, part, counts, fraction, subset_seed)

    def test_images(self, fraction: float = 1.0) -> int:
        """Return the test images of which `fraction` is kept."""
        if self.info.kind == "single":
            return sum(self.test_counts(fraction))
        return profiles.kept(self.info.test_count, fraction)

    def test_counts(self, fraction: float = 1.0) -> tuple[int, ...]:
        """Return the test images of each class or label, [C]; `fraction` is kept, at least one.

        Of annotated images they are known where these are, and here of no data set.
        """
        info = self.info
        if info.kind == "multi":
            return tuple(self.label_sets("test", fraction).sum(0).tolist())
        whole = info.test_counts or (info.test_count,) * info.classes
        return tuple(profiles.kept(count, fraction) for count in whole)


def dataset(specification: str, imbalance: float | None = None) -> Dataset:
    """Return the data set of `cifar100_lt` or `cifar100_lt(imbalance=50, profile='step')`.

    `imbalance` is used where the specification gives none; else the data set's default.
    Raises UsageError for an unknown name, parameter or profile, or a ratio that is not at least 1.
    """
    term = parse_one(specification, "data set")
    if term.name in KNOWN and term.name not in CATALOG:
        title, others = KNOWN[term.name].title, ", ".join(CATALOG)
        raise UsageError(f"{title} cannot be read by this version of ltbench; it has {others}.")
    if term.name not in CATALOG:
        if (info := installed(term.name)) is None:
            known = [*CATALOG, *installed_names()]
            hint = "Images of your own come with --data mine.yaml."
            raise unknown("data set", term.name, known, hint)
        register(info)
    return _at(CATALOG[term.name], term, imbalance)


def known(specification: str) -> Dataset:
    """Return the data set of a specification, readable here or only reported on by papers."""
    term = parse_one(specification, "data set")
    if term.name not in KNOWN:
        return dataset(specification)
    return _at(KNOWN[term.name], term, None)


def _at(info: DatasetInfo, term: Term, imbalance: float | None) -> Dataset:
    """Return a data set at the ratio of its specification, else that given, else its own."""
    if info.variant and term.variant not in ("", info.variant):
        raise UsageError(
            f"data set {info.name} is {info.name}@{info.variant} here, not @{term.variant}: other "
            "images, or another description of them."
        )
    if info.listed:
        if term.parameters or (term.variant and not info.variant):
            raise UsageError(f"data set {info.name} takes no parameter; write its name alone.")
        if imbalance is not None:
            raise UsageError(f"data set {info.name} comes with its own imbalance; give none.")
        return Dataset(info, info.imbalance)
    usual = info.imbalance if imbalance is None else imbalance
    ratio = _parameters(info, term).get("imbalance", usual)
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 1 <= ratio < 1e6:
        raise UsageError(
            f"imbalance {ratio!r} must be a ratio n_max / n_min from 1 to below a million."
        )
    profile = _parameters(info, term).get("profile", PROFILES[0])
    if profile not in PROFILES:
        raise unknown(f"profile of {info.name}", str(profile), PROFILES)
    return Dataset(info, float(ratio), profile)


def _parameters(info: DatasetInfo, term: Term) -> Mapping[str, Any]:
    extra = sorted(set(term.parameters) - {"imbalance", "profile"})
    if term.variant and not info.variant:
        extra.append(f"@{term.variant}")
    if extra:
        raise UsageError(
            f"data set {term.name} has no parameter {extra[0]}; it takes imbalance and profile."
        )
    return term.parameters


def _shortest(ratio: float) -> str:
    """Return a number as people write it, and so that it reads back as the same number."""
    return str(int(ratio)) if ratio == int(ratio) else repr(ratio)

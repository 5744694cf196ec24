"""Whether seeds that are joined were computed by the same code. Imports no torch."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ltbench.runs.record import Record
from ltbench.runs.store import Cell


class Provenance(NamedTuple):
    """What computed a run; small, so that tables can keep one for each record."""

    versions: tuple[tuple[str, int], ...]  # that the method's parts declare, beyond the first
    code: tuple[tuple[str, str], ...]  # hashes by folder or method; none in records from before
    commit: tuple[str, str | None, bool | None]  # ltbench's version, commit, and whether dirty
    sources: tuple[tuple[str, str], ...] = ()  # hashes of the files of a method not ltbench's own
    pixels: str = ""  # SHA-256 of all images and labels; none in records from before
    pretrained: str = ""  # SHA-256 of the file of weights that the encoder began from
    skipped: tuple[int, ...] = ()  # images left out since they do not read


def provenance_of(record: Record) -> Provenance:
    """Return the provenance that a record states."""
    here = record.environment
    return Provenance(
        tuple(sorted(record.versions.items())),
        tuple(sorted(record.code.items())),
        (here.ltbench, here.commit, here.dirty),
        tuple(sorted(record.sources.items())),
        record.data.pixels_sha256,
        record.pretrained_sha256,
        record.data.skipped,
    )


class Joined(NamedTuple):
    """What to say of seeds that are joined, a sentence each, empty where there is nothing."""

    refusal: str  # why there is no mean of them
    remark: str  # what to know of their mean


def joined(
    method: str, dataset: str, by_seed: Mapping[int, Provenance], planned: Collection[int] = ()
) -> Joined:
    """Return remark and refusal for joining the seeds of one method on one data set.

    `planned` are those that have not been run: their provenance is that of a run now.
    """
    if words := mixed_versions(by_seed):
        return Joined(
            f"{method} on {dataset}: {words}: no mean is of both; --force trains the older anew.",
            "",
        )
    words = mixed_code(by_seed, planned)
    return Joined("", f"{method} on {dataset}: {words}." if words else "")


def joined_cells(records: Iterable[Record]) -> dict[Cell, Joined]:
    """Return remark and refusal for joining records over seeds, by the cell of their seed 0."""
    computed: dict[Cell, dict[int, Provenance]] = {}
    for record in records:
        cell = replace(Cell.of(record), seed=0)
        computed.setdefault(cell, {})[record.seed] = provenance_of(record)
    return {cell: joined(cell.method, cell.dataset, each) for cell, each in computed.items()}


def mixed_versions(by_seed: Mapping[int, Provenance]) -> str:
    """Return in words how seeds differ in a method's version, own files, or images, or nothing.

    Such seeds are of different methods or data: their mean is refused.
    """
    seeds_by = _seeds_by({seed: each.versions for seed, each in by_seed.items()})
    if len(seeds_by) < 2:
        return _mixed_sources(by_seed)
    names = sorted({name for versions in seeds_by for name, _ in versions})
    parts = [
        f"{_seeds(seeds)} by version {', '.join(str(dict(versions).get(n, 1)) for n in names)}"
        for versions, seeds in seeds_by.items()
    ]
    return f"{' and '.join(parts)} of {', '.join(names)}"


def mixed_code(by_seed: Mapping[int, Provenance], planned: Collection[int] = ()) -> str:
    """Return in words how seeds differ in the code that computed them, or nothing.

    By the hashes of the code where every record has them, else by version, commit and changes. A
    folder counts where both have its hash. Of `planned` seeds it is the code that would compute
    them now.
    """
    if all(each.code for each in by_seed.values()):
        hashes, groups = _by_code({seed: dict(each.code) for seed, each in by_seed.items()})
        names, where = f" ({_differing(hashes)})", [""] * len(groups)
    else:
        by_commit = _seeds_by({seed: each.commit for seed, each in by_seed.items()})
        names, groups = "", list(by_commit.values())
        where = [f" ({_commit(*commit)})" for commit in by_commit]
    if len(groups) < 2:
        return ""
    each_in_words = [_seeds(seeds) + place for seeds, place in zip(groups, where, strict=True)]
    now = next((n for n, seeds in enumerate(groups) if not set(planned).isdisjoint(seeds)), None)
    if now is None:
        return f"{' and '.join(each_in_words)} were computed by different code{names}"
    others = " and ".join(words for number, words in enumerate(each_in_words) if number != now)
    verb = "were" if len(by_seed) - len(groups[now]) > 1 else "was"
    here = _seeds([seed for seed in groups[now] if seed in planned]) + where[now]
    return f"{others} {verb} computed by other code{names} than {here} would be now"


def _by_code(by_seed: Mapping[int, dict[str, str]]) -> tuple[list[dict[str, str]], list[list[int]]]:
    """Return the different codes, by folder, and the seeds of each.

    A hash that a record lacks, since it is older than that hash, makes no difference.
    """
    codes: list[dict[str, str]] = []
    groups: list[list[int]] = []
    for seed in sorted(by_seed):
        own = by_seed[seed]
        for code, seeds in zip(codes, groups, strict=True):
            if all(code.get(name, value) == value for name, value in own.items()):
                code.update(own)
                seeds.append(seed)
                break
        else:
            codes.append(dict(own))
            groups.append([seed])
    return codes, groups


def _mixed_sources(by_seed: Mapping[int, Provenance]) -> str:
    seeds_by = _seeds_by({seed: each.sources for seed, each in by_seed.items()})
    if len(seeds_by) < 2:
        return _mixed_images(by_seed)
    parts = " and ".join(map(_seeds, seeds_by.values()))
    files = [dict(hashes) for hashes in seeds_by]
    names = sorted(set().union(*files))
    differing = ", ".join(n for n in names if len({each.get(n) for each in files}) > 1)
    return f"{parts} by different files ({differing})"


def _mixed_images(by_seed: Mapping[int, Provenance]) -> str:
    seeds_by = _seeds_by({seed: (each.pixels,) for seed, each in by_seed.items() if each.pixels})
    if len(seeds_by) > 1:
        return f"{' and '.join(map(_seeds, seeds_by.values()))} on other images"
    seeds_by = _seeds_by({seed: each.skipped for seed, each in by_seed.items()})
    if len(seeds_by) > 1:
        return f"{' and '.join(map(_seeds, seeds_by.values()))} without other unreadable images"
    pretrained = {s: (each.pretrained,) for s, each in by_seed.items() if each.pretrained}
    seeds_by = _seeds_by(pretrained)
    words = " and ".join(map(_seeds, seeds_by.values()))
    return f"{words} from other pretrained weights" * (len(seeds_by) > 1)


def _differing(codes: Sequence[Mapping[str, str]]) -> str:
    """Return the names whose hashes differ where they are known."""
    names = sorted(set().union(*codes))
    return ", ".join(n for n in names if len({each[n] for each in codes if n in each}) > 1)


def _seeds_by(by_seed: Mapping[int, tuple]) -> dict[tuple, list[int]]:  # type: ignore[type-arg]
    seeds_by: dict[tuple, list[int]] = {}  # type: ignore[type-arg]
    for seed in sorted(by_seed):
        seeds_by.setdefault(by_seed[seed], []).append(seed)
    return seeds_by


def _seeds(seeds: list[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _commit(version: str, commit: str | None, dirty: bool | None) -> str:
    where = f"commit {commit[:7]}" if commit else f"ltbench {version}"
    return f"{where} with changes" if dirty else where

"""Batches of images that do not fit the memory: decoded by worker processes, as they are needed.

All that is random is drawn by the parent and by purpose, for the whole epoch (order, boxes, flips)
or batch by batch (colours); workers decode, cut and scale. So an epoch is the same bytes for any
number of workers, and after any interruption.
"""

import os
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ltbench.data.augment import randaugment
from ltbench.data.augment.large import LARGE_VIEWS, WHOLE_VIEWS, check_views, draw_crops, draw_parts
from ltbench.data.augment.views import View, render
from ltbench.data.batch import Batch
from ltbench.data.decoding import Decoded, ImageDraws, Requests
from ltbench.data.feed import CLEAN_BATCH, Change, Feed, generator_of, unchanged
from ltbench.data.info import DatasetInfo
from ltbench.data.readers import Split
from ltbench.data.samplers import PAIRS, order
from ltbench.data.source import Source
from ltbench.data.stored import CHECK, Stored
from ltbench.errors import LtbenchError, first_line

_WORKERS = "LTBENCH_WORKERS"


def workers() -> int:
    """Return how many processes decode: LTBENCH_WORKERS, else one a core, at most eight."""
    given = os.environ.get(_WORKERS, "")
    return int(given) if given.isdigit() else min(8, os.cpu_count() or 1)


@dataclass
class Waiting:
    """Seconds that training has waited for images, and how many it was given."""

    seconds: float = 0.0
    images: int = 0


@dataclass(frozen=True)
class StreamFeed(Feed):
    """Images of one packed subset as normalised batches; only labels are on the device.

    An image that does not read raises LtbenchError, unless such are skipped: then it is warned of
    once, and its batch has one image less, or of pairs two.
    """

    waiting: Waiting = field(default_factory=Waiting)
    skip_unreadable: bool = False
    _skipped: set[int] = field(default_factory=set)  # rows of what is packed

    @property
    def skipped(self) -> frozenset[int]:
        """Return the rows, in what is packed, of the images that were left out so far."""
        return frozenset(self._skipped)

    @property
    def held(self) -> tuple[Tensor, ...]:
        """Return the tensors that a method must not write into."""
        return (self.subset.labels,)

    @property
    def views(self) -> dict[str, View]:
        """Return what follows the box of each view, by its name."""
        return WHOLE_VIEWS if self.subset.whole else LARGE_VIEWS

    def waited(self) -> float:
        """Return the seconds that were waited for images since this was last asked."""
        seconds, self.waiting.seconds = self.waiting.seconds, 0.0
        return seconds

    def epoch(
        self,
        views: tuple[str, ...],
        sampler: str,
        batch_size: int,
        drop_last: bool,
        seed: int,
        *,
        augment: Change = unchanged,
    ) -> Iterator[Batch]:
        """Yield an epoch's batches; `seed` fixes order and augmentation, each by its own stream.

        `augment` changes what follows the first view's box, given each batch's labels.
        """
        check_views(views)
        known = self.views
        indices = order(sampler, self.subset.labels, generator_of(seed, "order")).cpu()
        crops = [
            self.drawn(name, indices, generator_of(seed, "box", position))
            for position, name in enumerate(views)
        ]
        steps = self.steps(batch_size, drop_last, sampler)
        drawn = self._loaded(indices, crops, batch_size, steps, pairs=sampler in PAIRS)
        for number, (loaded, chosen) in enumerate(drawn):
            labels, made = self.subset.labels[chosen], []
            for position, (name, images) in enumerate(zip(views, loaded, strict=True)):
                parts = known[name] if position else augment(known[name], labels)
                draws = generator_of(seed, "view", position, number)
                made.append(self.normalise(render(parts, images, self._augment, draws)))
            yield Batch(tuple(made), labels, chosen)

    def through(
        self, view: str, indices: Tensor, generator: torch.Generator, augment: Change = unchanged
    ) -> Iterator[Batch]:
        """Yield the images at `indices`, in order, through a view, which `augment` may change.

        It is asked for every batch, with its labels.
        """
        check_views((view,))
        indices = indices.cpu()
        crops = self.drawn(view, indices, generator)
        steps = -(-len(indices) // CLEAN_BATCH)
        for loaded, chosen in self._loaded(indices, [crops], CLEAN_BATCH, steps):
            labels = self.subset.labels[chosen]
            parts = augment(self.views[view], labels)
            rendered = render(parts, loaded[0], self._augment, generator)
            yield Batch((self.normalise(rendered),), labels, chosen)

    def clean(self, batch_size: int = CLEAN_BATCH) -> Iterator[Batch]:
        """Yield every image once, in order, not augmented: its middle, or it whole, scaled."""
        indices = torch.arange(len(self.subset.labels))
        steps = -(-len(indices) // batch_size)
        crops = self.drawn("clean", indices, torch.Generator())
        for loaded, chosen in self._loaded(indices, [crops], batch_size, steps):
            yield Batch((self.normalise(loaded[0]),), self.subset.labels[chosen], chosen)

    def drawn(self, view: str, indices: Tensor, generator: torch.Generator) -> ImageDraws:
        """Draw what workers do to each image, [N, 5] or more: see `Requests`."""
        rows = self.subset.rows[indices.numpy()]
        if view == "clean":
            evaluated: ImageDraws = self.subset.evaluated(rows)
            return evaluated
        width, height = self.subset.sizes(rows)
        draw = draw_parts if self.subset.whole else draw_crops
        crops = draw(width, height, self.info.flip, generator)
        box = (crops.top, crops.left, crops.height, crops.width, crops.flip)
        columns = [torch.stack([each.double() for each in box], 1)]
        if view == "autoaugment":
            columns.append(randaugment.draw(len(indices), generator))
        return torch.cat(columns, 1).numpy()

    def _loaded(
        self,
        indices: Tensor,
        crops: Sequence[ImageDraws],
        batch_size: int,
        steps: int,
        *,
        pairs: bool = False,
    ) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
        """Yield each batch's uint8 images [B, 3, side, side] through every view's boxes.

        Besides their indices. Raises LtbenchError, naming the image, where one does not read and is
        not skipped, or a worker died.
        """
        device, count = self.subset.labels.device, min(workers(), steps)
        rows = self.subset.rows[indices.numpy()]
        with warnings.catch_warnings():  # more processes than cores are the user's choice
            warnings.filterwarnings("ignore", "This DataLoader will create")
            loader = DataLoader(
                Requests(self.subset.packed, rows, tuple(crops), self.info.shape[1], batch_size),
                batch_size=None,
                sampler=range(steps),
                num_workers=count,
                pin_memory=device.type == "cuda",
                generator=torch.Generator(),  # else it would draw from the run's
            )
            batches = iter(loader)
        for number in range(steps):
            started = time.perf_counter()
            try:
                loaded = next(batches)
            except (RuntimeError, OSError) as error:
                raise LtbenchError(
                    f"a process that decodes images stopped ({first_line(error)}); the same "
                    f"command goes on from the last finished epoch, {_WORKERS}=2 with fewer."
                ) from None
            self.waiting.seconds += time.perf_counter() - started
            if isinstance(loaded, str):
                raise LtbenchError(loaded)
            chosen, images = indices[number * batch_size :][:batch_size], loaded.images
            if loaded.unreadable:
                kept = self._kept(loaded, chosen, pairs=pairs)
                chosen, images = chosen[kept], images[:, kept]
                if not len(chosen):
                    continue
            self.waiting.images += len(chosen)
            moved = images.to(device, non_blocking=True)
            views = tuple(view.permute(0, 3, 1, 2).contiguous() for view in moved)
            yield views, chosen.to(device)

    def _kept(self, batch: Decoded, indices: Tensor, *, pairs: bool) -> Tensor:
        """Return which images of a batch read, bool [B]; of pairs, both do.

        Raises LtbenchError unless the others are skipped, and where no image reads that was asked
        for so far.
        """
        kept = torch.ones(len(indices), dtype=torch.bool)
        for place, why in batch.unreadable.items():
            if not self.skip_unreadable:
                raise LtbenchError(
                    f"{why}; {CHECK}, and --on-bad-image skip leaves training images out."
                )
            kept[place], row = False, int(self.subset.rows[int(indices[place])])
            if row not in self._skipped:
                self._skipped.add(row)
                warnings.warn(f"{why}; it is left out.", stacklevel=2)
        if pairs:
            pair = torch.arange(len(kept)) // 2
            kept &= ~torch.isin(pair, pair[~kept])
        if not kept.any() and not self.waiting.images:
            raise LtbenchError(f"{why}, nor does any other image so far; {CHECK}.")
        return kept


def feed_of(info: DatasetInfo, subset: Source, *, skip_unreadable: bool = False) -> Feed:
    """Return the feed of a subset, resident or streamed; images held in memory all read."""
    if isinstance(subset, Stored):
        return StreamFeed(info, subset, skip_unreadable=skip_unreadable)
    return Feed(info, subset)


def evaluated_feeds(info: DatasetInfo, split: Split, device: torch.device) -> dict[str, Feed]:
    """Return the feeds of what is evaluated: `test`, and `validation` where there is one."""
    subsets = {"test": split.test, "validation": split.validation}
    return {k: feed_of(info, s.to(device)) for k, s in subsets.items() if s is not None}

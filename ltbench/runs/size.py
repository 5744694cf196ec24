"""How much a training has to do."""

from collections.abc import Sequence
from dataclasses import dataclass

from ltbench.api.recipe import Stage
from ltbench.data.catalog import Dataset
from ltbench.data.feed import batches_of
from ltbench.data.samplers import draws
from ltbench.runs.protocol import Protocol


@dataclass(frozen=True)
class TrainingSize:
    """Epochs, steps, images seen in training and evaluations, of all stages.

    An evaluation on a fraction of the test set counts as that fraction.
    """

    epochs: int
    steps: int
    images: int
    evaluations: float

    @classmethod
    def of(cls, stages: Sequence[Stage], protocol: Protocol, dataset: Dataset) -> "TrainingSize":
        """Return the size of a training of these stages; reads no data."""
        counts = dataset.class_counts(fraction=protocol.fraction, validation=protocol.validation)
        images = dataset.training_images(protocol.fraction, protocol.subset_seed) or sum(counts)
        steps = seen = epochs = 0
        for stage in stages:
            drawn, batch = draws(stage.sampler, images, counts), stage.recipe.batch_size
            steps += stage.recipe.epochs * batches_of(drawn, batch, stage.recipe.drop_last)
            seen += stage.recipe.epochs * drawn
            epochs += stage.recipe.epochs
        return cls(epochs, steps, seen, (epochs / protocol.evaluate_every + 1) * protocol.fraction)

"""Known classes against images of unknown ones: how well a score tells them apart.

Three F-measures go by one name. Over N known and M unknown test images let TP be known and right,
FN unknown but accepted, FP known and wrong; F = 2 TP / (2 TP + FP + FN).

    new     FP counts every wrong known image, a rejected one too (OLTR's release since 2020)
    old     FP leaves rejected known images out, so F tends to 1 as the threshold rises
    micro   a confused known image is FP and FN, a rejected one FN, an accepted unknown one FP

Who never rejects has F_0 = 2 a / (1 + a + M / N) of either of the first two, `a` being the closed
accuracy: F alone says nothing of detection, F - F_0 does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from torch import Tensor, nn

from ltbench.analysis.features import features_of, moments
from ltbench.analysis.subject import (
    AnalysisPart,
    AnalysisRow,
    FinishedRun,
    RunImages,
    Sample,
    outputs,
)
from ltbench.errors import LtbenchError
from ltbench.evaluation.open_set import never_rejecting


@dataclass(frozen=True)
class Decisions:
    """What became of N known and M unknown images at a threshold: booleans [N], [N] and [M]."""

    right: Tensor  # the largest logit is the label's
    accepted: Tensor  # of the known
    unknown_accepted: Tensor

    def f_measure(self, formula: str) -> float:
        """Return F by the formula `new`, `old` or `micro`; 0 where nothing is right."""
        right = int((self.right & self.accepted).sum())
        confused, rejected = int((~self.right & self.accepted).sum()), int((~self.accepted).sum())
        leaked = int(self.unknown_accepted.sum())
        missed = {
            "new": confused + rejected + leaked,
            "old": confused + leaked,
            "micro": 2 * confused + rejected + leaked,
        }[formula]
        return 2 * right / (2 * right + missed) if right else 0.0

    @property
    def closed_accuracy(self) -> float:
        """Return the share of known images that are right, before any is rejected."""
        return float(self.right.double().mean())


def perfect(accuracy: float) -> float:
    """Return F of who rejects all unknown images and no known one."""
    return 2 * accuracy / (1 + accuracy)


def threshold_free(known: Tensor, unknown: Tensor, right: Tensor) -> dict[str, float]:
    """Return AUROC, both areas under precision-recall, FPR at 95 %, and OSCR of scores.

    OSCR is the area under the share of known images right and accepted, over the share of unknown
    images accepted, as the threshold falls.
    """
    scores = np.concatenate([known.double().numpy(), unknown.double().numpy()])
    is_known = np.concatenate([np.ones(len(known)), np.zeros(len(unknown))])
    false, true, _ = roc_curve(is_known, scores, drop_intermediate=False)
    order = np.argsort(-scores, kind="stable")
    hit = np.concatenate([right.double().numpy(), np.zeros(len(unknown))])[order]
    # Images of one score are accepted together.
    last = np.append(np.diff(scores[order]) != 0, True)
    correct = np.append(0.0, np.cumsum(hit)[last] / len(known))
    accepted = np.append(0.0, np.cumsum(1 - is_known[order])[last] / len(unknown))
    return {
        "auroc": float(roc_auc_score(is_known, scores)),
        "aupr_known": float(average_precision_score(is_known, scores)),
        "aupr_unknown": float(average_precision_score(1 - is_known, -scores)),
        "fpr95": float(false[np.argmax(true >= 0.95)]),
        "oscr": float(np.trapezoid(correct, accepted)),
    }


ScoreFunctions = dict[str, Callable[[Tensor, Tensor], Tensor]]
"""A score's name to what makes it, [N], of logits [N, C] and features [N, D]; higher is known."""


def scores_from(training: Tensor, labels: Tensor, classes: int) -> ScoreFunctions:
    """Return the scores there are, prototypes being of training features [N, D] with labels.

    Cosine prototypes are means of unit features, made unit again: Euclidean ones favour classes of
    small features.
    """
    unit = moments(F.normalize(training, dim=1), labels, classes).centroids.nan_to_num(nan=0.0)
    directions = F.normalize(unit, dim=1)
    plain = moments(training, labels, classes).centroids
    seen = plain[~plain.isnan().any(1)]
    return {
        "msp": lambda logits, _: logits.double().softmax(1).amax(1),
        "maxlogit": lambda logits, _: logits.double().amax(1),
        "energy": lambda logits, _: logits.double().logsumexp(1),
        "proto_cos": lambda _, features: (
            F.normalize(features.double(), dim=1) @ directions.T
        ).amax(1),
        "proto_euclid": lambda _, features: -torch.cdist(features.double(), seen).amin(1),
    }


@dataclass(frozen=True)
class OpenSet:
    """Detection of unknown classes by five scores; F by three formulas, each with F_0 beside it."""

    threshold: Annotated[float, Ge(0), Le(1)] = 0.1  # on the largest probability, as in OLTR
    kept: Annotated[float, Ge(0), Le(1)] = 0.95  # held-out known images that are to be accepted
    train_per_class: Annotated[int, Ge(1)] = 500  # images that prototypes are made of

    def parts(self, run: FinishedRun, data: RunImages) -> list[AnalysisPart]:
        """Return a piece for every set of unknown images; raises LtbenchError for none."""
        if not data.unknown:
            raise LtbenchError(f"{run.name}: its data set has no images of other classes to show.")
        known = len(data.test.labels) + len(data.train.labels)
        return [AnalysisPart(name, run.epochs[-1], 2 * known) for name in data.unknown]

    def analyse(
        self, run: FinishedRun, network: nn.Module, data: RunImages, part: AnalysisPart
    ) -> list[AnalysisRow]:
        """Return the rows of one set of unknown images."""
        training = data.train.equal(self.train_per_class, 0)
        scores = scores_from(features_of(network, training), training.labels, run.classes)
        known, unknown = data.test, data.unknown[part.name]()
        # What reads all test images at once does not know which of them are of unknown classes.
        every = run.adjust(
            torch.cat([outputs(run, network, known), outputs(run, network, unknown)])
        )
        logits, features = every[: len(known.labels)], features_of(network, known)
        right = logits.argmax(1) == known.labels
        ratio = len(unknown.images) / len(known.images)
        there = every[len(known.labels) :], features_of(network, unknown)
        rows: list[AnalysisRow] = []

        def add(score: str, decision: str, quantity: str, value: float, shots: str = "all") -> None:
            rows.append(
                {"unknown": part.name, "score": score, "decision": decision, "shots": shots,
                 "quantity": quantity, "value": value}
            )  # fmt: skip

        accuracy = float(right.double().mean())
        add("", "", "closed_accuracy", accuracy)
        add("", "", "unknown_per_known", ratio)
        add("", "", "f_never_rejecting", never_rejecting(accuracy, ratio))
        add("", "", "f_perfect", perfect(accuracy))
        for name, score in scores.items():
            own, other = score(logits, features), score(*there)
            for quantity, value in threshold_free(own.cpu(), other.cpu(), right.cpu()).items():
                add(name, "", quantity, value)
            for decision, limit in self._limits(name, score, run, network, data.held_out).items():
                made = Decisions(right, own >= limit, other >= limit)
                for quantity, value in _decided(made, ratio).items():
                    add(name, decision, quantity, value)
                for shot in dict.fromkeys(run.shots):
                    members = torch.tensor(run.members(shot), device=known.labels.device)
                    inside = torch.isin(known.labels, members)
                    lost = float((~made.accepted[inside]).double().mean())
                    add(name, decision, "known_rejected", lost, shot)
        return rows

    def _limits(
        self, name: str, score: Callable[[Tensor, Tensor], Tensor], run: FinishedRun,
        network: nn.Module, held_out: Sample | None,
    ) -> dict[str, float]:  # fmt: skip
        """Return thresholds: OLTR's, on probabilities alone, and one that sees no unknown image."""
        limits = {"official": self.threshold} if name == "msp" else {}
        if held_out is not None:
            logits = run.adjust(outputs(run, network, held_out))
            own = score(logits, features_of(network, held_out))
            limits["held-out"] = float(own.double().quantile(1 - self.kept))
        return limits


def _decided(made: Decisions, ratio: float) -> dict[str, float]:
    none = never_rejecting(made.closed_accuracy, ratio)
    found = {f"f_{formula}": made.f_measure(formula) for formula in ("new", "old", "micro")}
    return found | {
        "f_above_never_rejecting": found["f_new"] - none,
        "known_rejected": float((~made.accepted).double().mean()),
        "unknown_rejected": float((~made.unknown_accepted).double().mean()),
    }

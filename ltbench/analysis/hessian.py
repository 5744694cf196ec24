"""The Hessian of a class's loss: extreme eigenvalues, trace, density, filter-normalised trace.

H_g is of the mean cross-entropy of a class, or of a group with its classes equal, at the logits of
inference: eval mode, float32 products, scalars in float64. kappa = E d^T H d over filter-normalised
directions d is unchanged where a convolution before batch norm is rescaled; lambda and the raw
trace are not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from ltbench.analysis.curvature import Curvature, Parameters, check_memory
from ltbench.analysis.directions import probe
from ltbench.analysis.lanczos import Spectrum, lanczos
from ltbench.analysis.subject import AnalysisPart, AnalysisRow, FinishedRun, RunImages
from ltbench.data.batch import seed_of

# A product takes as long as so many forward passes of its images: where they are one chunk, whose
# graph is kept, and where every product makes the graphs of its chunks anew. Measured on one thread
# of a processor with ResNet-8 and ResNet-32: 4.2 to 4.4, and 6.6 to 7.9; beside other work more.
KEPT_PASSES, NEW_PASSES = 5.0, 8.0


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its standard error; NaN for the error of a single value."""
    found = torch.tensor(values, dtype=torch.float64)
    return float(found.mean()), float(found.std() / len(values) ** 0.5) if len(values) > 1 else (
        float("nan")
    )


@dataclass(frozen=True)
class Hessian:
    """Extreme eigenvalues, trace, filter-normalised trace and density, by class or shot group."""

    view: Literal["train", "test", "both"] = "train"
    per_class: Annotated[int, Ge(1)] = 50  # images at most; as many for each class
    steps: Annotated[int, Ge(2)] = 80  # of Lanczos
    probes: Annotated[int, Ge(0)] = 10  # random starts of the density; 0: the extremes alone
    traces: Annotated[int, Ge(0)] = 100  # probes of either trace
    tolerance: Annotated[float, Gt(0)] = 1e-3
    parameters: Parameters = "all"
    chunk: Annotated[int, Ge(1)] = 64  # images whose graph is held at once
    seed: Annotated[int, Ge(0)] = 0

    def parts(self, run: FinishedRun, data: RunImages) -> list[AnalysisPart]:
        """Return a piece for every class or shot group of every view."""
        found = []
        for sample in data.views(self.view):
            equal = sample.equal(self.per_class, self.seed)
            for group, members in run.groups.items():
                images = len(equal.of(members).labels)
                starts = max(1, self.probes)  # each gives a value of the trace, too
                products = starts * self.steps + max(0, self.traces - starts) + self.traces
                passes = products * (KEPT_PASSES if images <= self.chunk else NEW_PASSES)
                found.append(
                    AnalysisPart(f"{sample.view}/{group}", run.epochs[-1], images * passes)
                )
        return found

    def analyse(
        self, run: FinishedRun, network: nn.Module, data: RunImages, part: AnalysisPart
    ) -> list[AnalysisRow]:
        """Return the quantities, nodes and weights of one class or group."""
        view, _, group = part.name.partition("/")
        (sample,) = data.views(view)
        sample = sample.equal(self.per_class, self.seed).of(run.groups[group])
        curvature = Curvature(run, network, sample, self.parameters, self.chunk)
        check_memory(curvature, self.steps)
        draw = torch.Generator().manual_seed(seed_of(self.seed, "probes", part.name))
        fixed: AnalysisRow = {"view": view, "group": group, "images": len(sample.labels)}
        spectra = [
            lanczos(
                curvature.product, _signs(curvature, draw), self.steps,
                None if self.probes else self.tolerance,
            )
            for _ in range(max(1, self.probes))
        ]  # fmt: skip
        rows = [
            {**fixed, "quantity": name, "probe": None, "step": None, "value": value}
            for name, value in self._quantities(run, network, curvature, spectra, draw).items()
        ]
        for number, found in enumerate(spectra if self.probes else []):
            for step, pair in enumerate(zip(found.nodes, found.weights, strict=True)):
                for name, value in zip(("node", "weight"), pair, strict=True):
                    rows.append(
                        {**fixed, "quantity": name, "probe": number, "step": step,
                         "value": float(value)}
                    )  # fmt: skip
        return rows

    def _quantities(
        self, run: FinishedRun, network: nn.Module, curvature: Curvature, spectra: list[Spectrum],
        draw: torch.Generator,
    ) -> dict[str, float]:  # fmt: skip
        size = curvature.size
        highest = max(spectra, key=lambda found: float(found.nodes[-1]))
        lowest = min(spectra, key=lambda found: float(found.nodes[0]))
        traces = [size * found.first_moment for found in spectra]
        squares = [size * found.second_moment for found in spectra]
        for _ in range(self.traces - len(traces)):
            signs = _signs(curvature, draw)
            product = curvature.product(signs)
            traces.append(float(product.double() @ signs.double()))
            squares.append(float(product.double().square().sum()))
        kappas = []
        for _ in range(self.traces):
            direction = curvature.direction(probe(network, draw))
            kappas.append(float(curvature.product(direction).double() @ direction.double()))
        trace, trace_error = mean_and_error(traces)
        loss, gradient = curvature.gradient()
        with torch.no_grad():
            chunks = curvature.sample.chunks()
            top = [run.predict(network, x).softmax(1).amax(1) for x, _ in chunks]
        largest, smallest = float(highest.nodes[-1]), float(lowest.nodes[0])
        scale = max(abs(largest), abs(smallest))
        found = {
            "parameters": size, "loss": loss, "gradient_norm": float(gradient.double().norm()),
            "confidence": float(torch.cat(top).double().mean()),
            "lambda_max": largest, "lambda_max_residual": highest.residuals[1],
            "lambda_min": smallest, "lambda_min_residual": lowest.residuals[0],
            "converged": float(
                max(highest.residuals[1], lowest.residuals[0]) <= self.tolerance * scale
            ),
            "negative_share": abs(smallest / largest) if largest else float("nan"),
            "trace": trace, "trace_error": trace_error,
            "frobenius": max(0.0, mean_and_error(squares)[0]) ** 0.5,
        }  # fmt: skip
        if kappas:
            kappa, kappa_error = mean_and_error(kappas)
            found |= {"filter_trace": kappa, "filter_trace_error": kappa_error}
        return {name: value for name, value in found.items() if not isnan(value)}


def unconverged(rows: Sequence[AnalysisRow]) -> str | None:
    """Return a sentence on the ends of spectra that have not converged, with the worst residual.

    None where all have, and for the rows of another analysis.
    """
    there = [(row["view"], row["group"]) for row in rows
             if row.get("quantity") == "converged" and not row["value"]]  # fmt: skip
    if not there:
        return None
    residual = max(
        float(row["value"] or 0) for row in rows
        if str(row["quantity"]).endswith("residual") and (row["view"], row["group"]) in there
    )  # fmt: skip
    names = ", ".join(f"{view}/{group}" for view, group in there)
    return (
        f"Lanczos has not converged for {names}: an eigenvalue lies within {residual:.3g} of each "
        "end; take more steps, such as hessian(steps=160)."
    )


def _signs(curvature: Curvature, draw: torch.Generator) -> Tensor:
    signs = torch.randint(2, (curvature.size,), generator=draw) * 2 - 1
    return signs.to(curvature.parameters[0])

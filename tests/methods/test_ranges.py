"""Parameters out of range are refused by name, value and range; the ends that belong are not."""

import pytest

from ltbench import build, describe
from ltbench.errors import UsageError

ZERO_UP, ABOVE_ZERO, SHARE, BELOW_ONE = "at least 0", "above 0", "from 0 to 1", "from 0 to below 1"
ONE_UP = "at least 1"
REFUSED = {
    "bcl": {
        "alpha=-0.1": ZERO_UP, "beta=-0.1": ZERO_UP, "tau=0.0": ABOVE_ZERO, "scale=0.0": ABOVE_ZERO,
        "hidden=0": ABOVE_ZERO, "width=0": ABOVE_ZERO,
    },
    "class_balanced_loss": {"beta=1.0": BELOW_ONE, "beta=-0.5": BELOW_ONE},
    "crt": {"length=0.0": ABOVE_ZERO},
    "cuda": {
        "probability=1.1": SHARE, "threshold=-0.1": SHARE, "tests=0": ONE_UP,
        "highest=31": "from 0 to 30", "highest=-1": "from 0 to 30",
    },
    "disalign": {"length=0.0": ABOVE_ZERO},
    "focal": {"gamma=-1.0": ZERO_UP},
    "gala": {"epsilon=0.0": ABOVE_ZERO},
    "gbg": {"groups=0": ONE_UP, "tau=-1.0": ABOVE_ZERO},
    "gcl": {
        "noise=-1.0": ZERO_UP, "margin=-1.0": ZERO_UP, "gamma=-1.0": ZERO_UP, "alpha=-1.0": ZERO_UP,
        "scale=0.0": ABOVE_ZERO, "classifier_scale=0.0": ABOVE_ZERO,
    },
    "gradient_penalty": {"rho=-0.1": ZERO_UP, "alpha=1.1": SHARE, "alpha=-0.1": SHARE},
    "h2t": {
        "share=1.5": SHARE, "share=-0.1": SHARE, "rate=0.0": ABOVE_ZERO, "decay=-1.0": ZERO_UP,
        "length=0.0": ABOVE_ZERO,
    },
    "imbsam": {"rho=-0.1": ZERO_UP, "eta=-1": ZERO_UP},
    "lade": {"alpha=-1.0": ZERO_UP, "lam=-1.0": ZERO_UP},
    "lws": {"length=-1.0": ABOVE_ZERO},
    "mislas": {
        "head=1.5": SHARE, "tail=-0.1": SHARE, "rate=0.0": ABOVE_ZERO, "length=0.0": ABOVE_ZERO,
    },
    "mixup": {"alpha=-1.0": ZERO_UP},
    "model_perturbation": {"size=-0.1": ZERO_UP, "draws=0": ONE_UP, "layers=0": ONE_UP},
    "remix": {"kappa=0.5": ONE_UP, "tau=1.5": SHARE, "alpha=-1.0": ZERO_UP},
    "ride": {
        "number=0": ONE_UP, "scale=0.0": ABOVE_ZERO, "beta=1.0": BELOW_ONE, "defer=1.5": SHARE,
    },
    "sam": {"rho=-0.5": ZERO_UP},
    "swa": {"start=1.0": BELOW_ONE, "start=-0.1": BELOW_ONE},
}  # fmt: skip


@pytest.mark.parametrize(
    ("method", "parameter", "wanted"),
    [(method, given, wanted) for method in REFUSED for given, wanted in REFUSED[method].items()],
)
def test_a_value_out_of_range_is_refused_with_the_range(method, parameter, wanted):
    name = parameter.partition("=")[0]
    words = f"{method}({parameter}) is not allowed: {name} must be {wanted}."
    with pytest.raises(UsageError) as caught:
        build(f"{method}({parameter})")
    assert str(caught.value) == words


@pytest.mark.parametrize(
    "specification",
    [
        "class_balanced_loss(beta=0.0)", "cuda(probability=1.0, threshold=0.0, highest=30)",
        "focal(gamma=0.0)", "gradient_penalty(alpha=1.0, rho=0.0)", "h2t(share=1.0, decay=0.0)",
        "lade(alpha=0.0, lam=0.0)", "mislas(head=1.0, tail=0.0)", "mixup(alpha=0.0)",
        "remix(kappa=1.0, tau=0.0)", "ride(number=1, defer=1.0)", "sam(rho=0.0)", "swa(start=0.0)",
    ],
)  # fmt: skip
def test_the_ends_of_a_range_that_belong_to_it_are_allowed(specification):
    assert describe(build(specification)).partition("(")[0] == specification.partition("(")[0]

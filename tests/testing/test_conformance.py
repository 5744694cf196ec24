"""The conformance checks: our methods pass them, and every clause of every rule can fail."""

from contextlib import suppress
from importlib.metadata import EntryPoint
from textwrap import dedent, indent

import pytest
import torch
from devices import DEVICES

from ltbench.errors import LtbenchError
from ltbench.registry import methods
from ltbench.registry.methods import find, load_file, role
from ltbench.registry.signatures import GROUP, names
from ltbench.testing import conformance
from ltbench.testing.conformance import RULES, BrokenRuleError, check, equal, expect
from ltbench.testing.synthetic import CLASSES, COUNTS, DEVICE, EPOCHS, split, training

VERIFY = {rule.name: rule.verify for rule in RULES}
COMPOSITIONS = [
    "bcl+gkp",
    "bcl+gsa",
    "bcl+gkp+gsa(gradients='owned')",
    "gala+gkp+gsa",
    "gala+sam",
    "ldam_drw+gsa(direction='projected')",
    "ldam_drw+sam(rho=0.8)",
    "lift+more",
    "logit_adjustment+more",
    "focal+sam",
    "vs_loss+sam(rho=0.2)",
    "bcl+mixup",
    "bce+more",
    "db+sam",
    "asl+mixup",
    "ldam_drw(defer=1.0)+drw+mixup+sam",
    "balanced_softmax+sam",
    "ce+posthoc_logit_adjustment",
    "ldam_drw+sam+posthoc_logit_adjustment",
    "crt+sam+tau_norm",
    "ldam_drw+sam+swa(start=0.0)",
    "crt+spectral_norm(layers='convolutions')",
]

FILE = '''"""Nobody, "A method made for a test", 2026."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from ltbench import Method, Stage


@dataclass
class Mine(Method):
    """Cross-entropy and what a test adds."""

'''


@pytest.fixture(autouse=True)
def _forget():
    """What a test loads is forgotten after it."""
    with methods.loaded():
        yield


@pytest.fixture
def load(tmp_path):
    """Load a method, given the body of its class or the text of its file; return how to name it."""

    def load(body="", text=None):
        path = tmp_path / "mine.py"
        path.write_text(FILE + indent(dedent(body), "    ") if text is None else text)
        name = load_file(path)
        return f"ce+{name}" if role(find(name)) == "post-hoc" else name

    return load


# ours


def specifications():
    """Every registered method and variant, post-hoc ones behind ce, and some compositions."""
    single = [f"ce+{name}" if role(find(name)) == "post-hoc" else name for name in names()]
    variants = [f"{name}@{variant}" for name in names() for variant in find(name).variants]
    return sorted({*single, *variants, *COMPOSITIONS})


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("specification", specifications())
def test_a_method_of_ours_holds_to_the_protocol(specification, device):
    token = DEVICE.set(device)
    try:
        assert check(specification) == []
    finally:
        DEVICE.reset(token)


@pytest.mark.slow
def test_the_file_that_the_broken_ones_are_made_from_holds_to_the_protocol(load):
    assert check(load()) == []


@pytest.mark.slow
def test_a_method_with_everything_allowed_holds_to_the_protocol(load):
    """State in both bookkeeping hooks, a penalty, two views, noise of the clock, two stages."""
    body = """
    width: float = 0.1
    views = ("standard", "contrastive")

    def stages(self, recipe):
        second = replace(recipe, epochs=1)
        return (Stage(name="first", recipe=recipe),
                Stage(name="second", recipe=second, sampler="class_balanced",
                      trainable=("classifier",), reset=("classifier",)))

    def forward(self, network, batch, clock):
        both = torch.cat(batch.views)
        outputs = network(both)
        return {name: value[: len(batch.targets)] for name, value in outputs.items()}

    def losses(self, outputs, batch, clock):
        noise = torch.rand(len(batch.targets), generator=clock.generator("noise"))
        return super().losses(outputs, batch, clock) * (1 + self.width * noise)

    def penalty(self, network, clock):
        return 1e-4 * network.classifier.weight.square().sum()

    def after_step(self, step):
        self.state["mean"] = step.outputs["features"].mean(0)

    def after_epoch(self, network, data, clock):
        self.state["nest"] = {"images": sum(len(batch.targets) for batch in data())}

    def finalize(self, network):
        with torch.no_grad():
            network.classifier.weight.div_(network.classifier.weight.norm(dim=1, keepdim=True))
    """
    assert check(load(body)) == []


# every clause can fail: rule, what is broken, the sentence that says so

BROKEN = {
    "a description that changes": (
        "specification",
        """
        width: int = 1

        def __post_init__(self):
            self.width = 2 * self.width
        """,
        "mine(width=2) does not describe itself",
    ),
    "losses averaged": (
        "losses",
        """
        def losses(self, outputs, batch, clock):
            return F.cross_entropy(outputs["logits"], batch.targets)
        """,
        "losses have shape (), not [B]",
    ),
    "losses of every class": (
        "losses",
        """
        def losses(self, outputs, batch, clock):
            return -outputs["logits"].log_softmax(1)
        """,
        "losses have shape (32, 6), not [B]",
    ),
    "weights in a column": (
        "losses",
        """
        def sample_weights(self, batch, clock):
            return torch.ones(len(batch.targets), 1)
        """,
        "sample_weights or shares stretch the losses to (32, 32), not [B]",
    ),
    "losses that overflow": (
        "losses",
        """
        def losses(self, outputs, batch, clock):
            return -(outputs["logits"].softmax(1) * 0).log().amax(1)
        """,
        "losses are not finite on fresh weights",
    ),
    "losses with noise of their own": (
        "purity",
        """
        def losses(self, outputs, batch, clock):
            return super().losses(outputs, batch, clock) * torch.rand(len(batch.targets))
        """,
        "losses draws random numbers of its own, as dropout does, so two calls differ; "
        "draw from clock.generator, or in forward",
    ),
    "losses that differ by the time": (
        "purity",
        """
        def losses(self, outputs, batch, clock):
            self.calls = getattr(self, "calls", 0) + 1
            return super().losses(outputs, batch, clock) + self.calls
        """,
        "two calls of losses on the same outputs differ",
    ),
    "losses that remember": (
        "purity",
        """
        def losses(self, outputs, batch, clock):
            self.state["calls"] = self.state.get("calls", 0) + 1
            return super().losses(outputs, batch, clock)
        """,
        "losses changes state; move it to after_step",
    ),
    "losses that turn impure late": (
        "purity",
        """
        def losses(self, outputs, batch, clock):
            if clock.progress > 0.5:
                self.state["late"] = torch.ones(1)
            return super().losses(outputs, batch, clock)
        """,
        "losses changes state; move it to after_step",
    ),
    "losses in place": (
        "purity",
        """
        def losses(self, outputs, batch, clock):
            outputs["logits"].clamp_(-1e-3, 1e-3)
            return super().losses(outputs, batch, clock)
        """,
        "losses changes the outputs in place",
    ),
    "a step inside the gradient rule": (
        "gradient rule",
        """
        def backward(self, step):
            super().backward(step)
            with torch.no_grad():
                step.network.classifier.bias.add_(1)
        """,
        "backward moved the weight classifier.bias",
    ),
    "a parameter left out": (
        "gradient rule",
        """
        def backward(self, step):
            gradients = step.gradients(step.objective(), within="backbone")
            for name, parameter in step.network.named_parameters():
                parameter.grad = gradients.get(name)
        """,
        "backward left classifier.weight without a gradient",
    ),
    "a frozen parameter filled": (
        "gradient rule",
        """
        def stages(self, recipe):
            return (Stage(name="head", recipe=recipe, trainable=("classifier",)),)

        def backward(self, step):
            super().backward(step)
            step.network.backbone.bn1.weight.grad = torch.zeros(16)
        """,
        "backward filled the gradient of the frozen backbone.bn1.weight",
    ),
    "two passes that move the statistics": (
        "gradient rule",
        """
        def backward(self, step):
            step.descend(0.5 * step.objective())
            step.descend(0.5 * step.objective())
        """,
        "batch statistics moved 2 times in a step, not once",
    ),
    "only a displaced pass": (
        "gradient rule",
        """
        def backward(self, step):
            perturbation = {name: 0 * p.detach() for name, p in step.network.named_parameters()}
            step.descend(step.objective(perturbation))
        """,
        "batch statistics moved 0 times in a step, not once",
    ),
    "a gradient rule that remembers": (
        "gradient rule",
        """
        def backward(self, step):
            self.state["steps"] = self.state.get("steps", 0) + 1
            super().backward(step)
        """,
        "backward changes state; move it to after_step",
    ),
    "a gradient rule with losses of its own": (
        "gradient rule",
        """
        def backward(self, step):
            logits = step.forward()["logits"]
            step.descend(F.cross_entropy(logits, step.batch.targets))
        """,
        "backward never asked for step.losses",
    ),
    "a gradient rule with a pass of its own": (
        "gradient rule",
        """
        def backward(self, step):
            outputs = step.network(step.batch.images)
            step.descend(step.losses(outputs).mean())
        """,
        "backward never evaluated the undisplaced objective",
    ),
    "a step after the step": (
        "bookkeeping",
        """
        def after_step(self, step):
            with torch.no_grad():
                step.network.classifier.bias.add_(1)
        """,
        "after_step or after_epoch changes the network",
    ),
    "statistics moved after the epoch": (
        "bookkeeping",
        """
        def after_epoch(self, network, data, clock):
            network.train()
            for batch in data():
                network(batch.images)
        """,
        "after_step or after_epoch changes the network",
    ),
    "state of a class of its own": (
        "bookkeeping",
        """
        def after_step(self, step):
            self.state["clock"] = step.clock
        """,
        "state holds more than tensors, numbers and text",
    ),
    "state that cannot be written": (
        "bookkeeping",
        """
        def after_step(self, step):
            self.state["draw"] = lambda: 0
        """,
        "state holds more than tensors, numbers and text",
    ),
    "state that is no number": (
        "bookkeeping",
        """
        def after_epoch(self, network, data, clock):
            self.state["mean"] = torch.tensor([0.0, float("nan")])
        """,
        "state does not survive a checkpoint",
    ),
    "logits of one image": (
        "prediction",
        """
        def predict(self, network, images):
            return super().predict(network, images).mean(0, keepdim=True)
        """,
        "predict returned logits of shape [1, 6]; it must be [N, C], here [48, 6]",
    ),
    "a class too many": (
        "prediction",
        """
        def adjust_logits(self, logits):
            return F.pad(logits, (0, 1))
        """,
        "adjust_logits returned logits of shape [48, 7]; it must be [N, C], here [48, 6]",
    ),
    "logits without bound": (
        "prediction",
        """
        def adjust_logits(self, logits):
            return logits / 0
        """,
        "logits are not finite",
    ),
    "a prediction that trains": (
        "prediction",
        """
        def build(self, network):
            self.network = network
            return network

        def finalize(self, network):
            with torch.no_grad():
                self.network.classifier.weight.div_(2)
        """,
        "prediction changes the trained network",
    ),
    "memory outside the state": (
        "resume",
        """
        def after_step(self, step):
            self.seen = getattr(self, "seen", 0) + 1

        def losses(self, outputs, batch, clock):
            return super().losses(outputs, batch, clock) * (1 + getattr(self, "seen", 0))
        """,
        "a resumed run ends elsewhere; keep what matters in state",
    ),
    "memory outside the state that only predicts": (
        "resume",
        """
        def after_step(self, step):
            self.mean = getattr(self, "mean", 0) + step.outputs["logits"].mean(0)

        def adjust_logits(self, logits):
            return logits - self.mean
        """,
        "a resumed run ends elsewhere; keep what matters in state",
    ),
    "a draw that no seed fixes": (
        "repetition",
        """
        def losses(self, outputs, batch, clock):
            unseeded = torch.Generator()
            unseeded.seed()
            return super().losses(outputs, batch, clock) * (1 + torch.rand((), generator=unseeded))
        """,
        "two runs of one seed on the same data differ; draw from clock.generator",
    ),
    "a prediction by the batch": (
        "prediction",
        """
        def predict(self, network, images):
            logits = super().predict(network, images)
            return logits - logits.mean(0)
        """,
        "an image's logits depend on its batch",
    ),
    "an adjustment by the whole test set": (
        "prediction",
        """
        def adjust_logits(self, logits):
            return logits - logits.softmax(1).mean(0).log()
        """,
        "adjusted logits depend on other test images, and no deviation says transductive",
    ),
    "a look at the test images before the end": (
        "test-set firewall",
        """
        seen = 0.0

        def predict(self, network, images):
            self.seen = float(images.mean())
            return super().predict(network, images)

        def finalize(self, network):
            with torch.no_grad():
                bias = network.classifier.bias
                bias.add_(self.seen * torch.arange(len(bias)))
        """,
        "the test set changes the network or the logits that it predicts by",
    ),
    "a look at the test images": (
        "test-set firewall",
        """
        seen = 0.0

        def predict(self, network, images):
            self.seen = float(images.mean())
            return super().predict(network, images)

        def losses(self, outputs, batch, clock):
            return super().losses(outputs, batch, clock) * (2 + self.seen)
        """,
        "the test set changes what is trained",
    ),
    "a look at the test set's logits": (
        "test-set firewall",
        """
        def adjust_logits(self, logits):
            self.state["prior"] = logits.softmax(1).mean(0)
            return logits

        def losses(self, outputs, batch, clock):
            prior = self.state.get("prior", torch.ones(self.task.num_classes))
            return F.cross_entropy(outputs["logits"] + prior, batch.targets, reduction="none")
        """,
        "the test set changes what is trained",
    ),
    "a loss that climbs": (
        "learning",
        """
        def backward(self, step):
            step.descend(-step.objective())
        """,
        "the loss never falls: ",
    ),
    "a rate of zero that is none": (
        "learning",
        """
        def stages(self, recipe):
            return (Stage(name="train", recipe=replace(recipe, learning_rate=0.0)),)

        def after_step(self, step):
            with torch.no_grad():
                step.network.classifier.bias.add_(1)
        """,
        "a method that trains at rate zero changes the network",
    ),
    "wrong labels": (
        "learning",
        """
        def losses(self, outputs, batch, clock):
            wrong = (batch.targets + 1) % 6
            return F.cross_entropy(outputs["logits"], wrong, reduction="none")
        """,
        "it does not beat chance by half",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "body", "sentence"), BROKEN.values(), ids=BROKEN)
def test_a_broken_method_is_caught_with_a_sentence(load, rule, body, sentence):
    specification = load(body)
    with pytest.raises((BrokenRuleError, LtbenchError)) as caught:
        VERIFY[rule](specification)
    message = str(caught.value)
    assert sentence in message
    assert "\n" not in message


def test_there_is_a_broken_method_for_every_rule():
    assert {rule for rule, _, _ in BROKEN.values()} == set(VERIFY)
    assert len(VERIFY) == len(RULES)


def test_a_file_without_docstring_is_caught(load):
    text = FILE.partition("\n\n")[2]
    with pytest.raises(BrokenRuleError, match="mine has no module docstring naming its paper"):
        VERIFY["specification"](load(text=text))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"{FILE}    def loss(self, outputs, batch, clock):\n        return 0.0\n",
         "nothing calls loss of Mine; the hook is losses"),
        (f"{FILE}    views = ()\n\n\nclass Better(Mine):\n    views = ()\n",
         "mine is Mine, and the file has another method, Better, which nothing reads"),
        (f"{FILE.replace('@dataclass', '')}    rate: float = 0.1\n",
         "Mine declares rate and is no @dataclass"),
    ],
    ids=["a misspelt hook", "a second method", "no dataclass"],
)  # fmt: skip
def test_what_a_file_declares_in_vain_is_caught(load, text, sentence):
    with pytest.raises(BrokenRuleError, match=sentence):
        VERIFY["specification"](load(text=text))


def test_a_file_may_have_what_it_uses_itself(load):
    """A function that resembles a hook, a second method, and what a dataclass keeps for itself."""
    text = (
        FILE.replace("import dataclass,", "import KW_ONLY, dataclass,")
        + """
    _: KW_ONLY
    tau: float = 1.0

    def loss(self, outputs):
        return F.cross_entropy(outputs, outputs.argmax(1))

    def penalty(self, network, clock):
        return self.loss(torch.zeros(1, 2))

    def stages(self, recipe):
        return (Stage(name="train", recipe=recipe, method=First()),)


class First(Method):
    views = ()
    weights: torch.Tensor
"""
    )
    VERIFY["specification"](load(text=text))


ON_FOCAL = FILE.replace("Mine(Method)", "Mine(Focal)").replace(
    "from ltbench import", "from ltbench.methods.focal import Focal\nfrom ltbench import"
)


def test_a_parameter_that_only_changes_a_bases_default_is_caught_without_dataclass(load):
    text = ON_FOCAL.replace("@dataclass\n", "")
    with pytest.raises(BrokenRuleError, match="Mine declares gamma and is no @dataclass"):
        VERIFY["specification"](load(text=f"{text}    gamma: float = 7.0\n"))


def test_a_bases_helper_may_be_replaced(load, monkeypatch):
    monkeypatch.setattr(find("focal"), "stage", lambda self: None, raising=False)
    text = f"{ON_FOCAL}    def stage(self):\n        return None\n"
    VERIFY["specification"](load(text=text))
    monkeypatch.undo()
    with pytest.raises(BrokenRuleError, match="nothing calls stage of Mine; the hook is stages"):
        VERIFY["specification"](load(text=text))


def test_methods_that_entry_points_name_may_share_a_file(load, monkeypatch):
    text = f"{FILE}    views = ()\n\n\nclass Better(Mine):\n    views = ()\n"
    name = load(text=text)
    own = EntryPoint("better", f"{find(name).__module__}:Better", GROUP)
    monkeypatch.setattr("ltbench.testing.declaration.entry_points", lambda group: [own])
    VERIFY["specification"](name)


@pytest.mark.parametrize("decorator", ["", "@dataclass\n"], ids=["plain class", "dataclass"])
def test_a_class_without_docstring_is_caught(load, decorator):
    """A dataclass without one gets its signature for a docstring, which is no equation."""
    text = FILE.partition("@dataclass\n")[0] + f"{decorator}class Mine(Method):\n    views = ()\n"
    with pytest.raises(BrokenRuleError, match="mine has no class docstring giving its equation"):
        VERIFY["specification"](load(text=text))


@pytest.mark.slow
def test_a_parameter_without_default_is_caught(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE + "    width: float\n")
    problems = check(load_file(path))
    assert problems[0].startswith("specification: ")
    assert "width" in problems[0]
    assert len(problems) == len(RULES)


# the checks themselves


@pytest.mark.slow
@pytest.mark.parametrize(("sign", "epochs"), [("", [12]), ("-", [12, 24])])
def test_half_the_epochs_are_enough_where_they_show_that_it_learns(load, monkeypatch, sign, epochs):
    asked = []

    def heard(specification, epochs, **settings):
        asked.append(epochs)
        return training(specification, epochs, **settings)

    monkeypatch.setattr(conformance, "training", heard)
    body = f"""
    def losses(self, outputs, batch, clock):
        return {sign}super().losses(outputs, batch, clock)
    """
    with suppress(BrokenRuleError):
        VERIFY["learning"](load(body))
    assert asked == epochs


@pytest.mark.slow
def test_what_is_not_repeatable_is_not_called_a_breach_of_the_test_set(load):
    body = """
    def losses(self, outputs, batch, clock):
        Mine.runs = getattr(Mine, "runs", 0) + 1
        return super().losses(outputs, batch, clock) * (1 + Mine.runs)
    """
    problems = check(load(body))
    words = "the test set changes"
    assert not any(words in problem for problem in problems)
    assert any(problem.startswith("repetition: two runs of one seed") for problem in problems)


@pytest.mark.slow
def test_dropout_and_global_noise_hold_to_the_protocol(load):
    body = """
    def forward(self, network, batch, clock):
        features = F.dropout(network.backbone(batch.images), 0.2, network.training)
        return {"logits": network.classifier(features + 0.01 * torch.randn_like(features))}
    """
    problems = check(load(body))
    assert problems == []


@pytest.mark.slow
def test_problems_name_the_rule_and_what_is_wrong_with_it(load):
    body = """
    def losses(self, outputs, batch, clock):
        return F.cross_entropy(outputs["logits"], batch.targets)
    """
    problems = check(load(body))
    assert "losses: losses have shape (), not [B]" in problems


@pytest.mark.slow
def test_an_error_inside_a_method_is_a_problem_with_its_kind(load):
    body = """
    def losses(self, outputs, batch, clock):
        return outputs["projections"]
    """
    problems = check(load(body))
    assert "losses: KeyError: 'projections' (mine.py, line 17)" in problems
    assert {problem.partition(": ")[0] for problem in problems} <= set(VERIFY)


@pytest.mark.slow
def test_a_specification_that_does_not_build_breaks_every_rule():
    problems = check("no_such_method")
    assert len(problems) == len(RULES)
    others = [problem for problem in problems if "unknown method 'no_such_method'" not in problem]
    assert others == [
        "resume: cannot be judged while repetition fails",
        "test-set firewall: cannot be judged while repetition fails",
    ]


def test_the_tiny_task_is_long_tailed_balanced_in_test_and_always_the_same():
    data, again = split(), split()
    assert tuple(data.train.labels.bincount().tolist()) == data.class_counts == COUNTS
    assert data.test.labels.bincount().tolist() == [8] * CLASSES
    assert torch.equal(data.train.images, again.train.images)
    assert torch.equal(data.test.images, again.test.images)
    assert not torch.equal(data.train.images, split(seed=1).train.images)


def test_the_tiny_training_is_short_and_sees_one_class_with_one_image():
    work = training("ce")
    assert work.epochs == EPOCHS
    assert work.train.steps(32, False) == 3
    assert min(COUNTS) == 1


def test_expecting_something_false_raises_in_its_words():
    expect(True, "not this")
    with pytest.raises(BrokenRuleError, match="but this"):
        expect(False, "but this")


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({"a": torch.ones(2)}, {"a": torch.ones(2)}, True),
        ({"a": torch.ones(2)}, {"a": torch.zeros(2)}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([1, (2, torch.ones(1))], [1, (2, torch.ones(1))], True),
        ([1, 2], [1, 2, 3], False),
        (torch.ones(2), torch.ones(3), False),
        ("text", "text", True),
        (1.0, 2.0, False),
    ],
)
def test_nests_are_compared_bit_by_bit(left, right, expected):
    assert equal(left, right) is expected

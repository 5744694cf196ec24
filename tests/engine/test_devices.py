"""The engine on every device that is there: it repeats, resumes, and agrees with the CPU."""

from dataclasses import dataclass

import pytest
import torch
from devices import DEVICES

from ltbench import Compose, Method, build


@dataclass
class Keeping(Method):
    """State made on the device, logged scalars, and randomness of both kinds."""

    def losses(self, outputs, batch, clock):
        noise = torch.rand(len(batch.targets), generator=clock.generator("noise"))
        hard = self.state.get("hard", torch.ones_like(outputs["logits"][0]))[batch.targets]
        return super().losses(outputs, batch, clock) * (1 + noise.to(hard)) * hard

    def after_step(self, step):
        step.log("feature_norm", step.outputs["features"].norm())
        self.state["hard"] = 1 + step.outputs["logits"].softmax(1).mean(0)


def made(make_training, device, **settings):
    return make_training(Compose(Keeping(), build("sam")), device=device, **settings)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_ends_on_its_device_with_finite_scores(make_training, device, precision):
    training = made(make_training, device, precision=precision)
    training.run(lambda report: None)
    assert {p.device.type for p in training.network.parameters()} == {device}
    assert training.method.state["0"]["hard"].device.type == device
    curves = training.progress.curves
    assert all(torch.tensor([row["loss"], row["feature_norm"]]).isfinite().all() for row in curves)
    assert training.scores().total == (5,) * 4


@pytest.mark.parametrize("device", DEVICES)
def test_a_resumed_training_ends_where_an_undisturbed_one_does(
    make_training, make_tape, device, monkeypatch
):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    whole = made(make_training, device)
    whole.run(lambda report: None)

    def interrupt(report):
        if report.epoch == 1 and report.step == 2:
            raise KeyboardInterrupt

    checkpoint = make_tape().checkpoint
    with pytest.raises(KeyboardInterrupt):
        made(make_training, device, checkpoint=checkpoint).run(interrupt)
    again = made(make_training, device, checkpoint=checkpoint)
    assert again.resume()
    again.run(lambda report: None)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], value), name


@pytest.mark.parametrize("device", DEVICES)
def test_the_first_losses_are_the_cpu_s(make_training, device):
    """Views, order and noise are drawn on the CPU; sums round otherwise, and more as weights go."""
    found, expected = made(make_training, device, epochs=1), made(make_training, "cpu", epochs=1)
    for training in (found, expected):
        training.run(lambda report: None)
    losses = [training.progress.curves[0]["loss"] for training in (found, expected)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)

"""What analyses look at: equal samples, losses by class, weights that are no numbers."""

import pytest
import torch
from made_runs import resnet, run_of, sample

from ltbench.analysis.subject import Sample, check_finite, class_losses, outputs
from ltbench.errors import LtbenchError


def test_an_equal_sample_has_as_many_images_of_every_class_and_is_drawn_by_its_seed():
    whole = sample(per_class=20)
    one, again, other = whole.equal(7, 0), whole.equal(7, 0), whole.equal(7, 1)
    assert one.counts.tolist() == [7] * 5
    assert torch.equal(one.images, again.images)
    assert not torch.equal(one.images, other.images)
    assert torch.equal(whole.equal(50, 0).images, whole.images)


def test_losses_by_class_are_those_of_a_loop():
    network, images = resnet(), sample(per_class=3)
    run = run_of(network)
    found = class_losses(run, network, images)
    likely = outputs(run, network, images).double().log_softmax(1)
    for label in range(5):
        own = [-likely[i, label] for i in range(15) if images.labels[i] == label]
        assert found[label].item() == pytest.approx(torch.stack(own).mean().item())


def test_a_class_without_images_has_no_loss():
    network, images = resnet(), sample().of([0, 2])
    found = class_losses(run_of(network), network, images)
    assert found.isnan().tolist() == [False, True, False, True, True]


def test_groups_are_classes_of_few_and_shot_groups_of_many():
    run = run_of(resnet())
    assert list(run.groups) == ["0", "1", "2", "3", "4"]
    many = run_of(resnet(), counts=(200,) * 6 + (3,) * 6, shots=("many",) * 6 + ("few",) * 6)
    assert many.groups == {"many": tuple(range(6)), "few": tuple(range(6, 12))}


def test_chunks_are_all_images_in_order():
    images = sample()
    parts = [labels for _, labels in images.chunks(7)]
    assert torch.equal(torch.cat(parts), images.labels)


def test_weights_that_are_no_numbers_are_said():
    network = resnet()
    check_finite(network, "it")
    with torch.no_grad():
        network.backbone.conv1.weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(LtbenchError, match=r"no numbers \(backbone.conv1.weight\)"):
        check_finite(network, "it")


def test_classes_of_a_sample():
    chosen = sample(per_class=4).of([1, 3])
    assert isinstance(chosen, Sample)
    assert chosen.counts.tolist() == [0, 4, 0, 4, 0]

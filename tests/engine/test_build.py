"""A training trains the network that it was asked for, or refuses."""

import copy

import pytest

from ltbench import Method, Stage
from ltbench.data.catalog import CATALOG
from ltbench.engine.build import shown_to
from ltbench.errors import UsageError
from ltbench.networks import create


class Swapped(Method):
    """Trains a network of its own."""

    def build(self, network):
        return create("resnet32", 3, self.task.num_classes)


class Replaced(Method):
    """Puts another encoder into the network."""

    def build(self, network):
        network.backbone = copy.deepcopy(network.backbone)
        return network


class Late(Method):
    """Swaps it between stages."""

    def stages(self, recipe):
        return Stage(name="train", recipe=recipe), Stage(name="second", recipe=recipe)

    def begin_stage(self, network, stage):
        return copy.deepcopy(network)


class Headless(Method):
    """Changes the head and a part of the encoder, as methods do."""

    def build(self, network):
        network.classifier = create("resnet8", 3, self.task.num_classes).classifier
        network.backbone.stages[2] = copy.deepcopy(network.backbone.stages[2])
        return network


SENTENCE = "trains another network than it was given, so a record would name the wrong one"


@pytest.mark.parametrize("method", [Swapped(), Replaced()], ids=["network", "encoder"])
def test_another_network_is_refused_before_training(make_training, method):
    with pytest.raises(UsageError, match=SENTENCE):
        make_training(method)


def test_another_network_of_a_later_stage_is_refused(make_training):
    work = make_training(Late(), epochs=1)
    with pytest.raises(UsageError, match=SENTENCE):
        work.run(lambda report: None)


def test_a_changed_head_and_a_changed_part_of_the_encoder_are_not_another(make_training):
    work = make_training(Headless(), epochs=1)
    work.run(lambda report: None)
    assert len(work.progress.curves) == 1


@pytest.mark.slow
def test_the_command_says_it_before_anything_is_trained(results, method_file):
    import ltbench

    path = method_file(
        "swapped",
        """
        def build(self, network):
            from ltbench.networks import create
            return create("resnet32", 1, self.task.num_classes)
        """,
    )
    with pytest.raises(UsageError, match="swapped trains another network"):
        ltbench.run(
            "ce,swapped", "digits_lt", protocol="smoke", seeds=1, results=results, load=path
        )
    assert not results.exists()


def test_a_network_that_normalises_images_itself_is_shown_them_in_0_to_1():
    info = CATALOG["cifar100_lt"]
    assert shown_to("resnet32", info) is info
    shown = shown_to("clip:tiny", info)
    assert (shown.mean, shown.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert shown.shape == info.shape

"""Names of classes: as many as there are classes, each once, in the order of the labels."""

import pytest

from ltbench.data.catalog import CATALOG
from ltbench.data.class_names import CIFAR100
from ltbench.data.own import classes_of

NAMED = [name for name, info in CATALOG.items() if info.class_names]


ALIKE = {"imagenet_lt": 2}  # missile and sunglasses: two classes each


@pytest.mark.parametrize("name", NAMED)
def test_every_class_has_a_name_of_its_own(name):
    info = CATALOG[name]
    assert len(info.class_names) == info.classes
    assert len(set(info.class_names)) == info.classes - ALIKE.get(name, 0)
    assert classes_of(info) == info.class_names


def test_the_small_sets_have_names_in_the_order_of_their_labels():
    assert {"cifar10_lt", "cifar100_lt", "fashion_mnist_lt", "digits_lt"} <= set(NAMED)
    assert CATALOG["cifar10_lt"].class_names[3] == "cat"
    assert CATALOG["fashion_mnist_lt"].class_names[9] == "Ankle boot"
    assert list(CIFAR100) == sorted(CIFAR100)  # as its makers numbered them
    assert classes_of(CATALOG["inaturalist2018"])[:2] == ("0", "1")


def test_the_large_sets_have_names_in_the_order_of_their_lists():
    imagenet, places = (CATALOG[name].class_names for name in ("imagenet_lt", "places_lt"))
    assert (imagenet[0], imagenet[1], imagenet[999]) == ("tench", "goldfish", "toilet paper")
    assert (places[0], places[1], places[364]) == ("airfield", "airplane_cabin", "zen_garden")

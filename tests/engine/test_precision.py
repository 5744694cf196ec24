"""Devices and precision by name, and that no gradient is ever scaled."""

import re
from pathlib import Path

import ltbench.methods
import pytest
import torch

import ltbench
from ltbench.engine.precision import autocast_of, device_of, threads_for
from ltbench.errors import UsageError

CPU = torch.device("cpu")


def product():
    return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


def test_float32_leaves_arithmetic_alone():
    with autocast_of("float32", CPU)():
        assert product() == torch.float32


def test_bfloat16_reaches_products_and_ends_with_its_block():
    context = autocast_of("bfloat16", CPU)
    for _ in range(2):  # a fresh context every time
        with context():
            assert product() == torch.bfloat16
            assert not torch.is_autocast_cache_enabled()
        assert product() == torch.float32
        assert torch.is_autocast_cache_enabled()


def test_devices_are_found_by_name():
    assert device_of("cpu") == CPU
    assert device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["cuda:97", "gpu", "", "cpu:x"])
def test_a_device_that_is_not_here_is_refused_with_the_remedy(name):
    with pytest.raises(UsageError, match="use --device cpu") as caught:
        device_of(name)
    assert repr(name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def _three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_three_threads")
@pytest.mark.parametrize(
    ("shape", "threads"), [((1, 8, 8), 1), ((3, 16, 16), 1), ((1, 28, 28), 3), ((3, 32, 32), 3)]
)
def test_tiny_images_get_one_thread_and_others_what_there_is(shape, threads):
    with threads_for(shape):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("_three_threads")
def test_threads_come_back_after_an_error():
    def fail():
        with threads_for((1, 8, 8)):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == 3


def test_no_source_file_uses_a_gradient_scaler():
    folders = [Path(ltbench.__file__).parent, *map(Path, ltbench.methods.__path__)]
    files = [file for folder in folders for file in folder.rglob("*.py")]
    assert len(files) > 40
    pattern = re.compile(r"GradScaler|unscale_|\.scale\(\s*loss", re.IGNORECASE)
    assert [file.name for file in files if pattern.search(file.read_text(encoding="utf-8"))] == []

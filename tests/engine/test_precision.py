"""Devices and precision by name, and that no gradient is ever scaled."""

import re
from pathlib import Path

import ltbench.methods
import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

import ltbench
from ltbench import Batch, Clock, Method, Step, Task
from ltbench.engine import precision
from ltbench.engine.precision import autocast_of, device_of, has_bfloat16, threads_for
from ltbench.errors import UsageError
from ltbench.networks import create

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


@pytest.mark.parametrize(
    ("capabilities", "mkldnn", "has"),
    [
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, True, False),  # Skylake
        ({"avx2": True}, True, False),  # such names may be missing
        ({"avx512_bf16": True}, True, True),  # Zen 4
        ({"avx512_bf16": True, "amx_bf16": True}, True, True),  # Sapphire Rapids
        ({"neon": True, "bf16": True}, True, True),  # Graviton 3
        ({"neon": True, "bf16": True}, False, False),  # a Mac's PyTorch has no oneDNN
    ],
)
def test_a_processor_multiplies_in_bfloat16_if_it_and_pytorch_can(
    monkeypatch, capabilities, mkldnn, has
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: mkldnn)
    assert has_bfloat16(CPU) is has


@pytest.fixture(params=[True, False], ids=["with bfloat16", "without"])
def bfloat16(request, monkeypatch):
    """Return the context of bfloat16 on a processor that seems to have it, or to lack it."""
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: request.param)
    return autocast_of("bfloat16", CPU)


def rounded(tensor):
    return tensor.bfloat16().double()


def assert_rounded(found, exact):
    """Assert that values are exact ones, rounded to bfloat16; a tie may fall to either side."""
    nearest = rounded(exact)
    assert torch.equal(rounded(found), found.double())
    wrong = found.double() != nearest
    assert float(wrong.double().mean()) < 0.01
    assert torch.allclose(found.double(), exact, rtol=2**-8, atol=1e-5)


LAYERS = {
    "convolution": (F.conv2d, (8, 16, 9, 9), (12, 16, 3, 3), {"stride": 2, "padding": 1}),
    "groups": (F.conv2d, (8, 16, 9, 9), (12, 4, 3, 3), {"groups": 4}),
    "linear": (F.linear, (40, 64), (12, 64), {}),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_without_bfloat16_sums_are_exact_to_the_rounding_of_results(monkeypatch, layer):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: False)
    function, of_images, of_weight, options = LAYERS[layer]
    torch.manual_seed(0)
    leaves = [torch.randn(*size).requires_grad_() for size in (of_images, of_weight, (12,))]
    with autocast_of("bfloat16", CPU)():
        result = function(*leaves, **options)
    gradient = torch.randn(result.shape).bfloat16()
    result.backward(gradient)
    exact_leaves = [rounded(leaf.detach()).requires_grad_() for leaf in leaves]
    exact = function(*exact_leaves, **options)
    exact.backward(gradient.double())
    assert result.dtype == torch.bfloat16
    assert_rounded(result.detach(), exact.detach())
    for leaf, exact_leaf in zip(leaves, exact_leaves, strict=True):
        assert leaf.grad.dtype == torch.float32
        assert_rounded(leaf.grad, exact_leaf.grad)


@pytest.mark.parametrize(("has", "multiplied"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_processor_without_bfloat16_multiplies_in_float32(monkeypatch, has, multiplied):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: has)
    method, network = Method(), create("resnet8", 3, 4)
    method.setup(Task(torch.full((4,), 5)))
    batch = Batch((torch.randn(6, 3, 8, 8),), torch.arange(6) % 4, torch.arange(6))
    seen = set()

    class Watching(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func is torch.ops.aten.convolution.default:
                seen.add(args[0].dtype)
            return func(*args, **(kwargs or {}))

    step = Step(method, network, batch, Clock("train", 0, 1), autocast_of("bfloat16", CPU))
    with Watching():
        step.descend(step.losses(step.forward()).mean())
    assert seen == {multiplied}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64, torch.int64])
def test_what_autocast_leaves_alone_is_left_alone(bfloat16, dtype):
    images, weight = torch.ones(4, 8, dtype=dtype), torch.ones(2, 8, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        expected = F.linear(images, weight).dtype
    with bfloat16():
        assert F.linear(images, weight).dtype == expected
        with torch.autocast("cpu", torch.float16):
            assert F.linear(images.float(), weight.float()).dtype == torch.float16


def test_a_part_out_of_autocast_stays_in_float32(bfloat16):
    torch.manual_seed(0)
    images, weight = torch.randn(40, 64), torch.randn(12, 64)
    with bfloat16():
        with torch.autocast("cpu", enabled=False):
            inner = F.linear(images, weight)
        assert F.linear(images, weight=weight).dtype == torch.bfloat16
    assert torch.equal(inner, F.linear(images, weight))


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

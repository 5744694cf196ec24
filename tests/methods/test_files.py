"""One file a method: what it imports is on the page about the API, and nothing else is edited."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from textwrap import dedent

import pytest

import ltbench

ROOT = Path(__file__).resolve().parents[2]
FILES = [path for path in sorted((ROOT / "methods").glob("*.py")) if path.stem != "__init__"]
PAGE = (ROOT / "docs" / "api.md").read_text()


def imported(path):
    """Yield module and name of everything that a file imports from ltbench."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ltbench"):
            yield from ((node.module, alias.name) for alias in node.names)
        if isinstance(node, ast.Import):
            yield from ((a.name, "") for a in node.names if a.name.startswith("ltbench"))


def users():
    """Return the files of methods and harness that import each module and name of ltbench."""
    found = defaultdict(set)
    for path in [*FILES, *(ROOT / "ltbench").rglob("*.py")]:
        for each in imported(path):
            found[each].add(path)
    return found


def documented(module):
    """Return the public names of a module on the page: its own with a docstring, or its list."""
    found = re.search(rf"^\.\. automodule:: {re.escape(module)}\n((?:   :.*\n)*)", PAGE, re.M)
    options = dict(re.findall(r":([\w-]+):(.*)", found.group(1))) if found else {}
    if options.get("members", "").strip():
        return {name.strip() for name in options["members"].split(",")}
    if "members" not in options:
        return set()
    if module == "ltbench.networks":
        return set(sys.modules[module].__all__)
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    body, names = ast.parse(path.read_text()).body, set()
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            names.add(node.name)
        told = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(node, ast.Assign) and told:
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {name for name in names if name[0] != "_"}


def test_every_name_that_a_method_imports_is_exported_or_on_the_page():
    __import__("ltbench.networks")
    missing = {
        f"{path.name}: {module}.{name}"
        for path in FILES
        for module, name in imported(path)
        if name not in (ltbench.__all__ if module == "ltbench" else documented(module))
    }
    assert missing == set()


def test_the_search_for_names_on_the_page_finds_them():
    assert documented("ltbench.errors") == {"LtbenchError", "UsageError"}
    assert {"ViewPart", "view_of", "random_cutout"} <= documented("ltbench.data.augment.views")
    assert documented("ltbench.engine.fit") == set()
    assert not any(name.startswith("_") for name in documented("ltbench.data.augment.pixels"))


def test_no_module_of_the_harness_serves_one_method_alone():
    """What one paper needs is in its file; a module that only one method imports is its."""
    of_modules = defaultdict(set)
    for (module, name), files in users().items():
        whole = ROOT.joinpath(*module.split("."), name).with_suffix(".py")
        of_modules[f"{module}.{name}" if whole.exists() else module] |= files
    alone = {
        module: next(iter(paths)).name for module, paths in of_modules.items()
        if len(paths) == 1 and paths <= set(FILES)
    }  # fmt: skip
    assert alone == {}
    assert len(of_modules) > 60


GENERAL = {
    "ltbench.data.augment.filters": "filters of Pillow's, byte by byte, as `pixels` has the rest",
    "ltbench.api.perturb.rejected": "the projection that belongs to `inner` and `scaled`",
}
"""What one method alone uses and is yet no paper's own, with the reason; a module, or a name."""


def test_no_function_of_the_harness_serves_one_method_alone():
    found, alone = users(), set()
    for (module, name), files in found.items():
        path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        general = {module, f"{module}.{name}"} & GENERAL.keys() or name in ltbench.__all__
        if len(files) > 1 or not files <= set(FILES) or not path.exists() or general:
            continue
        tree = ast.parse(path.read_text())
        if name not in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}:
            alone.add(f"{module}.{name}")
    assert alone == set()
    assert len(found) > 300


# a file of each kind, written into an empty folder

HEAD = '''
"""Made for a test: Nobody, "Nothing", 2026."""

from dataclasses import dataclass, replace
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge

from ltbench import Method, Stage
'''

KINDS = {
    "loss": '''
    @dataclass
    class Mine(Method):
        """Cross-entropy on z + tau log pi."""

        tau: Annotated[float, Ge(0)] = 1.0

        def losses(self, outputs, batch, clock):
            logits = outputs["logits"] + self.tau * self.task.priors.log()
            return F.cross_entropy(logits, batch.targets, reduction="none")
    ''',
    "gradient rule": '''
    @dataclass
    class Mine(Method):
        """The mean of the gradients here and at random weights near by."""

        size: Annotated[float, Ge(0)] = 0.01

        def backward(self, step):
            draw = step.clock.generator("mine")
            objective = step.objective()
            here = step.gradients(objective, retain=True)
            noise = {n: torch.randn(g.shape, generator=draw).to(g) for n, g in here.items()}
            near = {n: self.size * part for n, part in noise.items()}
            step.log("mine_gradient", sum(g.square().sum() for g in here.values()).sqrt())
            step.descend(0.5 * objective + 0.5 * step.objective(near))
    ''',
    "augmentation": '''
    @dataclass
    class Mine(Method):
        """Images of rare classes lose a random band of rows, more of them later in training."""

        rows: Annotated[int, Ge(0)] = 2

        def augment(self, view, targets, clock):
            rare = self.task.priors[targets] < 1 / self.task.num_classes

            def band(images, augment, generator):
                top = torch.randint(images.shape[2], (len(images), 1), generator=generator)
                row = torch.arange(images.shape[2])
                gone = (row >= top) & (row < top + round(self.rows * (1 + clock.progress)))
                gone = gone.to(images.device) & rare.unsqueeze(1)
                return images.masked_fill(gone[:, None, :, None], 0)

            return (*view, band)
    ''',
    "second stage": '''
    @dataclass
    class Mine(Method):
        """Plain training, then the classifier alone on class-balanced batches, smoothed."""

        def stages(self, recipe):
            return (
                Stage(name="train", recipe=recipe),
                Stage(name="classifier", recipe=recipe.second(0.5), sampler="class_balanced",
                      trainable=("classifier",), reset=("classifier",), method=Smoothed()),
            )


    @dataclass
    class Smoothed(Method):
        """Cross-entropy on smoothed labels."""

        def losses(self, outputs, batch, clock):
            logits = outputs["logits"]
            return F.cross_entropy(logits, batch.targets, reduction="none", label_smoothing=0.1)
    ''',
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_method_of_each_kind_is_one_file(tmp_path, kind):
    (tmp_path / "mine.py").write_text(HEAD + "\n\n" + dedent(KINDS[kind]).lstrip("\n"))
    call = [sys.executable, "-c", "from ltbench.cli import main; main()", "check", "mine.py"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["mine.py"]

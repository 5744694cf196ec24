"""Tasks. `python -m pip install nox && nox -s demo` shows ltbench, `… nox -s tests` tests it.

The sessions share one environment, `.nox/ltbench`: torch's wheels take 5 GB.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "none"

SHARED = Path(".nox/ltbench").resolve()
BIN = "Scripts" if os.name == "nt" else "bin"


def shared(session: nox.Session) -> Path:
    """Return the folder of programs of the shared environment, made or brought up to date."""
    programs = SHARED / BIN
    recipe = "".join(Path(name).read_text() for name in ("constraints.txt", "pyproject.toml"))
    stamp = SHARED / "installed.txt"
    if not stamp.exists() or stamp.read_text() != recipe:
        session.run(sys.executable, "-m", "venv", "--clear", str(SHARED))
        install = [
            str(programs / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--progress-bar=off",
        ]
        session.run(*install, "--constraint", "constraints.txt", "--editable", ".[dev]")
        stamp.write_text(recipe)
    return programs


def ltbench(session: nox.Session, programs: Path, *words: str, **options: object) -> None:
    """Run the ltbench of an environment."""
    session.run(str(programs / "ltbench"), *words, **options)  # type: ignore[arg-type]


@nox.session
def demo(session: nox.Session) -> None:
    """Train four methods over three seeds on real handwritten digits, and compare them."""
    programs = shared(session)
    methods = "ce,balanced_softmax,ldam_drw,ldam_drw+sam"
    folder = Path(session.create_tmp())
    shutil.rmtree(folder / "results", ignore_errors=True)
    ltbench(
        session, programs, "run", "--methods", methods, "--dataset", "digits_lt", "--seeds", "3",
        "--results", str(folder / "results"),
    )  # fmt: skip


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; LTBENCH_DATA may name a folder with the real CIFARs, which adds theirs."""
    python = str(shared(session) / "python")
    session.run(python, "-m", "pytest", "--numprocesses", "auto", *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure the ratios that docs/cost.md states; takes minutes, wants an idle machine."""
    session.run(
        str(shared(session) / "python"), "-m", "pytest", "tests/benchmarks", "--benchmark-enable",
        *session.posargs,
    )  # fmt: skip


@nox.session
def browser(session: nox.Session) -> None:
    """Click through the report of the committed records in Chromium, and take pictures of it."""
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    chromium = next(found, None)
    if chromium is None:
        session.error("no chromium here; install it, on Debian with: apt-get install chromium")
    python = str(shared(session) / "python")
    driver = nox.project.dependency_groups(nox.project.load_toml(), "browser")
    session.run(
        python, "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt", *driver
    )
    pictures = Path(session.create_tmp()).resolve() / "pictures"
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir()
    session.run(
        python, "-m", "pytest", "tests/browser", *session.posargs,
        env={"LTBENCH_CHROMIUM": chromium, "LTBENCH_SCREENSHOTS": str(pictures)},
    )  # fmt: skip
    session.log(f"pictures to look at: {pictures}")


@nox.session
def slurm(session: nox.Session) -> None:
    """Run the contract of executors, and what Slurm adds, on a real Slurm; as root."""
    if shutil.which("sbatch") is None or shutil.which("munge") is None:
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            session.error("no Slurm here; as root on Debian: apt-get install slurm-wlm munge")
        quietly = {"DEBIAN_FRONTEND": "noninteractive"}
        session.run("apt-get", "-qq", "update", env=quietly)
        session.run("apt-get", "-qq", "install", "slurm-wlm", "munge", env=quietly, silent=True)
    python = str(shared(session) / "python")
    session.run(
        python, "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt",
        "--editable", ".[slurm]",
    )  # fmt: skip
    session.run(
        python, "-m", "pytest", "-v", "tests/runs/executors/test_contract.py",
        "tests/runs/executors/slurm_tests.py", *session.posargs,
        env={"LTBENCH_EXECUTORS": "slurm"},
    )  # fmt: skip


@nox.session
def ray(session: nox.Session) -> None:
    """Run the contract of executors, and what Ray adds, on clusters of this machine."""
    python = str(shared(session) / "python")
    session.run(
        python, "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt",
        "--editable", ".[ray]",
    )  # fmt: skip
    session.run(
        python, "-m", "pytest", "-v", "tests/runs/executors/test_contract.py",
        "tests/runs/executors/ray_tests.py", "tests/runs/executors/ray_killed_tests.py",
        *session.posargs,
        env={"LTBENCH_EXECUTORS": "ray", "RAY_AUTH_MODE": "disabled"},
    )  # fmt: skip


@nox.session
def lint(session: nox.Session) -> None:
    """Check style with ruff."""
    ruff = str(shared(session) / "ruff")
    session.run(ruff, "check", ".")
    session.run(ruff, "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy."""
    session.run(str(shared(session) / "mypy"))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation as a site in .nox/site; a warning is an error."""
    python = str(shared(session) / "python")
    install = ["-m", "pip", "install", "--quiet", "--progress-bar=off"]
    session.run(python, *install, "--constraint", "constraints.txt", "--editable", ".[docs]")
    site = Path(".nox/site")
    shutil.rmtree(site, ignore_errors=True)
    session.run(python, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", str(site))
    session.log(f"open {site}/index.html")


@nox.session
def package(session: nox.Session) -> None:
    """Build the wheel, install it in a clean environment, and use it from another folder."""
    shared_programs = shared(session)
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    python = str(shared_programs / "python")
    session.run(
        python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), "."
    )
    (wheel,) = folder.glob("ltbench-*.whl")
    clean = folder / "environment"
    session.run(sys.executable, "-m", "venv", str(clean))
    # The dependencies are lent by a path file, which brings packages but not the editable install.
    scheme = sysconfig.get_preferred_scheme("prefix")
    site = Path(sysconfig.get_path("purelib", scheme, {"base": str(clean)}))
    lent = sysconfig.get_path("purelib", scheme, {"base": str(SHARED)})
    (site / "lent.pth").write_text(f"{lent}\n")
    session.run(
        str(clean / BIN / "python"), "-m", "pip", "install", "--quiet", "--no-deps",
        "--force-reinstall", str(wheel),
    )  # fmt: skip
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    session.chdir(elsewhere)
    for programs in (clean / BIN, shared_programs):
        where = session.run(
            str(programs / "python"), "-c", "import ltbench; print(ltbench.__file__)", silent=True
        )
        session.log(f"using {where}")
        if programs != shared_programs and str(clean) not in str(where):
            session.error("the wheel's environment imports another ltbench")
        ltbench(session, programs, "list", "methods")
        ltbench(session, programs, "table", "1", "--quiet")
        ltbench(session, programs, "ledger")
        ltbench(session, programs, "figure", "5")
        ltbench(session, programs, "report")
        smoke_of(session, programs, "ce,ldam_drw+sam", "digits_lt", programs.parent.name)


@nox.session
def smoke(session: nox.Session) -> None:
    """Train every registered method and a few compositions for two epochs on tiny real subsets."""
    programs = shared(session)
    script = (
        "from ltbench.registry.kinds import kinds_of;"
        "from ltbench.registry.methods import baseline, build, find, role;"
        "from ltbench.registry.signatures import names;"
        "every = [n if role(find(n)) != 'post-hoc' else f'{baseline()}+{n}' for n in names()];"
        "clip = [n for n in every if build(n).network_library];"
        "every = [n for n in every if n not in clip];"
        "own = {k: [n for n in every if k in kinds_of(build(n))] for k in ('single', 'multi')};"
        "own['single'] += ['ldam_drw+sam(rho=0.8)', 'ldam_drw+sam+posthoc_logit_adjustment'];"
        "own['multi'] += ['bce+more', 'bce+sam', 'bce+mixup'];"
        "print(*map(','.join, (own['single'], own['multi'], [*clip, 'lift+more'])), sep='\\n')"
    )
    names = str(session.run(str(programs / "python"), "-c", script, silent=True))
    single, multi, clip = names.strip().splitlines()
    for dataset in ["digits_lt", *(["cifar100_lt"] if os.environ.get("LTBENCH_DATA") else [])]:
        smoke_of(session, programs, single, dataset, "smoke", "--network", "resnet8")
    smoke_of(session, programs, multi, "digits_mosaic", "smoke")
    smoke_of(session, programs, clip, "digits_lt", "clip", "--network", "clip:tiny")


def smoke_of(
    session: nox.Session, programs: Path, methods: str, dataset: str, folder: str, *options: str
) -> None:
    """Run methods for one seed of the smoke protocol, from nothing.

    Quietly: an estimate beforehand would time every method's steps, for longer than they train.
    """
    results = Path(session.create_tmp()).resolve() / f"results-{folder}-{dataset}"
    shutil.rmtree(results, ignore_errors=True)
    ltbench(
        session, programs, "run", "--methods", methods, "--dataset", dataset, "--seeds", "1",
        "--protocol", "smoke", "--results", str(results), "--quiet", *options,
    )  # fmt: skip


@nox.session
def attack(session: nox.Session) -> None:
    """Attack records, bundles and runs many times over; writes down how often, takes an hour."""
    python = str(shared(session) / "python")
    session.run(
        python, "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt",
        "--editable", ".[ray]",
    )  # fmt: skip
    counts = Path(session.create_tmp()).resolve() / "attacks.json"
    session.run(
        python, "-m", "pytest", "tests/attacks", "tests/runs/test_killed_runs.py",
        "tests/runs/test_unit.py", "tests/exchange/test_merge.py",
        "tests/runs/executors/test_workers_killed.py",
        "tests/runs/executors/ray_killed_tests.py", *session.posargs,
        env={
            "LTBENCH_ATTACKS": "60", "LTBENCH_ATTACK_COUNTS": str(counts),
            "RAY_AUTH_MODE": "disabled",
        },
    )  # fmt: skip
    for each in (counts, counts.with_suffix(".kills.json"), counts.with_suffix(".ray.json")):
        session.log(f"counts: {each.read_text()}")

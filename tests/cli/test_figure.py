"""`ltbench figure`."""

import subprocess
import sys


def test_it_says_what_is_drawn_and_how_to_get_more(ltbench, home):
    answer = ltbench("figure", "table6")
    assert answer.code == 0
    assert "Nothing is reproduced under protocol paper yet: reported values only." in answer.out
    assert "  ltbench run --methods 'gkp_gsa(strength=10.0)," in answer.out
    written = {path.name for path in (home / "results" / "figures").iterdir()}
    assert written == {f"table6.{suffix}" for suffix in ("pdf", "svg", "png", "csv")}


def test_what_cannot_be_drawn_is_refused(refused):
    said = refused("figure", "x")
    assert "unknown figure 'x'; known: cc_sam_figure1, cc_sam_figure2, figure1, figure2" in said
    assert "none yet; `ltbench run --methods" in refused("figure", "per_class", code=1)
    assert "holds no training images out" in refused("figure", "5", "--select", "validation")
    refused("figure", "5", "--protocol", "slow")


def test_neither_torch_nor_pyplot_is_imported(tmp_path):
    code = (
        "import sys; from ltbench.cli import app\n"
        "app(['figure', '5'], standalone_mode=False)\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'matplotlib.pyplot', 'ltbench.methods'}\n"
        "sys.exit(f'imported: {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

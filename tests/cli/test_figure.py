"""`ltbench figure`."""


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


def test_a_figure_that_cannot_be_drawn_leaves_the_others_of_its_file(ltbench, home):
    sweeps = (
        '  - {name: lost, table: nowhere.yaml, axis: "strength λ"}\n'
        '  - {name: drawn, table: "6", axis: "strength λ"}\n'
    )
    classes = "  - {name: bare, title: T, dataset: digits_lt, seeds: [0], methods: [ce]}\n"
    (home / "figures.yaml").write_text(f"sweeps:\n{sweeps}classes:\n{classes}")
    answer = ltbench("figure", "figures.yaml", "--output", "out")
    assert answer.code == 1
    assert {path.name for path in (home / "out").iterdir()} == {
        f"drawn.{suffix}" for suffix in ("pdf", "svg", "png", "csv")
    }
    lost, bare, last = answer.err.splitlines()
    assert lost.startswith("ltbench: lost is left out: ")
    assert "nowhere.yaml" in lost
    assert bare.startswith("ltbench: bare is left out: ")
    assert "2 of 3 figures of figures.yaml not drawn (lost, bare)." in last

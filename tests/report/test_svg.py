"""What every drawing shares."""

from ltbench.report.svg import short


def test_long_names_keep_both_ends():
    assert short("ce") == "ce"
    name = short("gkp_gsa(direction='gradient')")
    assert len(name) == 22
    assert name.startswith("gkp_gsa(")
    assert name.endswith("adient')")

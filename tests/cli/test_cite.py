"""`ltbench cite`: BibTeX on standard output, what is left out on standard error."""


def test_each_paper_is_printed_once(ltbench):
    answer = ltbench("cite", "ldam_drw+sam(rho=0.8),drw+sam")
    assert (answer.code, answer.err) == (0, "")
    entries = [line for line in answer.out.splitlines() if line.startswith("@")]
    assert entries == [
        "@inproceedings{cao2019learning,",
        "@inproceedings{foret2021sharpness,",
        "@inproceedings{rangwani2022escaping,",
    ]


def test_a_method_without_a_paper_is_said(ltbench, method_file):
    path = method_file("unpublished", "")
    path.write_text(path.read_text().replace('Nobody, "Nothing", 2026', "nothing yet"))
    answer = ltbench("cite", "unpublished,ce", "--load", path)
    assert answer.code == 0
    assert answer.err == "ltbench: left out: the file of unpublished names no paper.\n"
    assert answer.out.count("@") == 1


def test_what_cannot_be_cited_is_refused(refused, method_file):
    assert "unknown method 'gkp_gsb'" in refused("cite", "gkp_gsb")
    assert refused("cite", "") == "nothing to cite; name a method, such as gkp_gsa."

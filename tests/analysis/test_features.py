"""Feature quality: two Gaussians in closed form, scale, bias from few images."""

import pytest
import torch
import torch.nn.functional as F
from made_runs import data, resnet, run_of, sample

from ltbench.analysis.features import Features, distances, moments, quality, unbiased_variance
from ltbench.analysis.subject import RunImages, Sample

D, SIGMA, APART = 64, 0.5, 4.0


def gaussians(sizes, draw):
    first = SIGMA * torch.randn(sizes[0], D, generator=draw, dtype=torch.float64)
    second = SIGMA * torch.randn(sizes[1], D, generator=draw, dtype=torch.float64)
    second[:, 0] += APART
    labels = torch.repeat_interleave(torch.arange(2), torch.tensor(sizes))
    return moments(torch.cat([first, second]), labels, 2)


@pytest.mark.parametrize("sizes", [(5000, 5000), (500, 5), (500, 2)])
def test_two_gaussians_have_the_distance_and_variance_of_theory(sizes):
    draw = torch.Generator().manual_seed(0)
    found = [gaussians(sizes, draw) for _ in range(5 if sizes[1] > 5 else 1000)]
    squared = torch.stack([distances(f).square() for f in found]).mean()
    expected = APART**2 + D * SIGMA**2 * (1 / sizes[0] + 1 / sizes[1])
    assert squared.item() == pytest.approx(expected, rel=0.01)
    variance = torch.stack([f.variance for f in found]).mean(0)
    theory = D * SIGMA**2 * (1 - 1 / torch.tensor(sizes, dtype=torch.float64))
    torch.testing.assert_close(variance, theory, rtol=0.01, atol=0)


def test_corrected_distances_and_variances_do_not_depend_on_the_number_of_images():
    draw = torch.Generator().manual_seed(0)
    found = [gaussians((500, 5), draw) for _ in range(300)]
    squared = torch.stack([distances(f, corrected=True).square() for f in found]).mean()
    assert squared.item() == pytest.approx(APART**2, rel=0.02)
    variance = torch.stack([unbiased_variance(f) for f in found]).mean()
    assert variance.item() == pytest.approx(16, rel=0.02)


def test_the_forms_are_those_of_paper_release_and_no_scale():
    distance, variance = torch.tensor([4.0]), torch.tensor([16.0])
    for scale, paper, release in ((0.1, 1.32, -0.67), (1, 2.61, -3.02), (10, 36.3, -7.40)):
        far, wide = scale * distance, scale**2 * variance
        assert quality("paper", far, wide).item() == pytest.approx(paper, abs=0.05)
        assert quality("release", far, wide).item() == pytest.approx(release, abs=0.005)
        assert quality("scale_free", far, wide).item() == pytest.approx(0.0, abs=1e-6)


def test_features_of_unit_length_have_no_negative_quality_by_the_paper():
    draw = torch.Generator().manual_seed(0)
    features = F.normalize(torch.randn(300, 64, generator=draw), dim=1)
    found = moments(features, torch.arange(300) % 3, 3)
    assert (found.variance <= 1).all()
    assert (quality("paper", distances(found), found.variance) >= 0).all()


def test_centroids_that_nearly_coincide_keep_their_distance():
    features = torch.full((4, 8), 1000.0, dtype=torch.float64)
    features[2:, 0] += 1e-6
    found = moments(features, torch.tensor([0, 0, 1, 1]), 2)
    torch.testing.assert_close(distances(found), torch.full((2,), 1e-6).double(), rtol=1e-3, atol=0)


def test_a_class_of_one_image_has_the_pooled_variance_and_says_so():
    draw = torch.Generator().manual_seed(0)
    features, labels = torch.randn(21, 4, generator=draw), torch.tensor([0] * 10 + [1] * 10 + [2])
    found = moments(features, labels, 4)
    assert found.variance[2].item() == pytest.approx(found.variance[:2].mean().item())
    assert found.pooled.tolist() == [False, False, True, False]
    assert distances(found)[3].isnan()
    assert found.variance[3].isnan()


def test_the_pooled_variance_of_one_image_is_corrected_as_a_whole():
    """Classes of two images: sum / (n - classes) is unbiased, the variance of one half of it."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 0, 1, 1, 2])
    found = [moments(torch.randn(5, 50, generator=draw), labels, 4) for _ in range(300)]
    variance = torch.stack([unbiased_variance(f) for f in found]).mean(0)
    assert variance[:3].tolist() == pytest.approx([50] * 3, rel=0.03)
    assert torch.stack([f.variance for f in found]).mean(0)[2].item() == pytest.approx(25, rel=0.03)
    assert variance[3].isnan()


def test_distances_in_blocks_are_those_of_a_loop():
    draw = torch.Generator().manual_seed(0)
    found = moments(torch.randn(1200, 3, generator=draw), torch.arange(1200) % 600, 600)
    loop = [
        min((found.centroids[a] - found.centroids[b]).norm() for b in range(600) if b != a)
        for a in (0, 300, 599)
    ]
    torch.testing.assert_close(distances(found)[[0, 300, 599]], torch.stack(loop))


def test_rows_have_every_class_form_and_quantity():
    network = resnet()
    run = run_of(network)
    (part,) = Features().parts(run, data())
    rows = Features().analyse(run, network, data(), part)
    assert len(rows) == 3 * 2 * 3 * 5
    assert {row["form"] for row in rows} == {"paper", "release", "scale_free"}
    assert {row["shots"] for row in rows} == {"many", "medium", "few"}


def test_rows_say_in_which_view_a_class_has_one_image():
    """Class 4 has one training image and six test images, class 0 one test image."""
    train, test = sample("train", 8, seed=1), sample("test", 6, seed=2)
    few = torch.arange(40) < 33
    alone = torch.arange(30) >= 5
    given = RunImages(
        Sample("train", train.images[few], train.labels[few], 5),
        Sample("test", test.images[alone], test.labels[alone], 5),
    )
    network, analysis = resnet(), Features(view="both")
    run = run_of(network)
    (part,) = analysis.parts(run, given)
    rows = analysis.analyse(run, network, given, part)
    told = {(row["view"], row["class"]) for row in rows if row["pooled_variance"]}
    assert told == {("train", 4), ("test", 0)}
    assert len(rows) == 2 * 3 * 2 * 3 * 5

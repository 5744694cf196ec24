"""Zero-shot prediction is CLIP's own, and no training changes it."""

import torch
from made_clip import made, shown_to_clip, their_clip, tiny_network

from ltbench.api.recipe import Recipe

IMAGES = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(4))


@torch.no_grad()
def test_logits_are_a_hundred_cosines_of_image_and_text():
    method, network = made("zero_shot")
    image = their_clip().encode_image(shown_to_clip(IMAGES), normalize=True)
    words = ("maple tree", "cat", "sweet pepper")
    texts = tiny_network().backbone.text.features([f"a photo of a {each}." for each in words])
    found = method.predict(network, IMAGES)
    assert torch.allclose(found, 100 * image @ texts.T, atol=1e-3)


def test_it_is_one_epoch_at_rate_zero():
    method, _ = made("zero_shot")
    recipe = Recipe(epochs=200, batch_size=8, learning_rate=0.1, weight_decay=0, warmup_epochs=5)
    (stage,) = method.stages(recipe)
    assert [stage.recipe.learning_rate_at(e) for e in range(stage.recipe.epochs)] == [0.0]

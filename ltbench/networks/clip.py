"""CLIP's vision transformers, by open_clip, as backbones; beside them the tower that reads text.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
Nothing is ever downloaded: `clip:NAME` is a network of random weights until a file brings its own.
"""

import difflib
import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltbench.errors import UsageError

LIBRARY = "clip"
TINY = f"{LIBRARY}:tiny"
USUAL = f"{LIBRARY}:ViT-B-16-quickgelu"  # of OpenAI's weights
EXTRA = "open_clip, which `python -m pip install 'ltbench[clip]'` brings"

# Ours, on which everything can be tried in seconds; its text tower reads CLIP's vocabulary.
TINY_CONFIGURATION = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
_ELSEWHERE = ("timm_model_name", "hf_model_name", "hf_tokenizer_name", "tokenizer_kwargs")
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_TEXTS = 256  # that are read at once


class TextTower:
    """What CLIP reads text with; no part of the network that is trained, copied or kept."""

    def __init__(self, model: Any, projection: nn.Parameter) -> None:
        self.model, self.projection = model.eval(), projection  # of image features, [D, E]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    @torch.no_grad()
    def features(self, texts: Sequence[str]) -> Tensor:
        """Return what texts mean: unit vectors, [N, E], as images have them after `projection`."""
        read = importlib.import_module("open_clip").SimpleTokenizer(
            context_length=self.model.context_length
        )
        parts = [
            self.model.encode_text(read(list(texts[start : start + _TEXTS])), normalize=True)
            for start in range(0, len(texts), _TEXTS)
        ]
        return torch.cat(parts)


class AdaptedBlock(nn.Module):
    """A transformer block of open_clip's with an adapter beside its MLP: h + MLP(LN h) + a(h)."""

    def __init__(self, block: Any, adapter: nn.Module) -> None:
        super().__init__()
        self.block = block
        self._adapter = (adapter,)  # the backbone's; registered there alone, so it has one name

    def forward(self, tokens: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Map tokens [B, T, D] to as many."""
        block, (adapter,) = self.block, self._adapter
        h = tokens + block.ls_1(block.attention(block.ln_1(tokens), attn_mask=attn_mask))
        changed: Tensor = h + block.ls_2(block.mlp(block.ln_2(h))) + adapter(h)
        return changed


class ClipBackbone(nn.Module):
    """Images [B, 1 or 3, h, w] in 0..1 to the class token after the last layer norm, [B, D].

    They are brought to the network's own side and normalised as CLIP does.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.adapters = nn.ModuleList()  # one a block, where a method adds them
        self.model, projection = model.visual, model.visual.proj
        self.model.proj = None
        del model.visual
        self.text = TextTower(model, projection)
        self.out_features: int = projection.shape[0]
        self.side: int = self.model.image_size[0]
        self.patch: int = self.model.patch_size[0]
        for name, values in (("mean", _MEAN), ("std", _STD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    @property
    def depth(self) -> int:
        """Return the number of transformer blocks."""
        return len(self.model.transformer.resblocks)

    def adapt(self, adapters: Iterable[nn.Module]) -> None:
        """Put an adapter, tokens to tokens, beside each block's MLP."""
        self.adapters.extend(adapters)
        blocks = self.model.transformer.resblocks
        for place, (block, adapter) in enumerate(zip(blocks, self.adapters, strict=True)):
            blocks[place] = AdaptedBlock(block, adapter)

    def forward(self, images: Tensor) -> Tensor:
        """Return features, [B, out_features]."""
        sized = resized(images.expand(-1, 3, -1, -1), self.side)
        found: Tensor = self.model((sized - self.mean) / self.std)
        return found

    def published(self) -> dict[str, Tensor]:
        """Return all weights, the text tower's too, by open_clip's names."""
        images = {f"visual.{name}": own for name, own in self.model.state_dict().items()}
        return {**images, "visual.proj": self.text.projection, **self.text.model.state_dict()}


def resized(images: Tensor, side: int) -> Tensor:
    """Return images [B, C, side, side], bilinear, smoothed where that makes them smaller."""
    if images.shape[-2:] == (side, side):
        return images
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True)


def clip_body(name: str) -> ClipBackbone:
    """Return the backbone `NAME` of open_clip's, of random weights.

    Raises UsageError where there is none of that name, it is no vision transformer with a class
    token, or the extra is not installed.
    """
    try:
        library = importlib.import_module("open_clip")
    except ImportError:
        raise UsageError(f"{LIBRARY}:{name} needs {EXTRA}.") from None
    known = library.list_models()  # asked for another name, such as hf-hub:…, it would download
    if name != "tiny" and name not in known:
        near = difflib.get_close_matches(name, known, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"{USUAL} is the usual one."
        raise UsageError(f"open_clip has no network {name!r}; {hint}")
    configuration = TINY_CONFIGURATION if name == "tiny" else library.get_model_config(name)
    if not _is_plain(configuration):
        raise UsageError(
            f"{LIBRARY}:{name} is not one vision transformer with a class token and CLIP's own "
            f"text tower; choose one that is, such as {USUAL}."
        )
    return ClipBackbone(library.CLIP(**configuration))


def _is_plain(configuration: Mapping[str, Any]) -> bool:
    """Return whether a configuration is of CLIP itself with a transformer for images."""
    vision, text = configuration["vision_cfg"], configuration["text_cfg"]
    known = {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu"}
    pooled = vision.get("pool_type", "tok") != "tok" or vision.get("attentional_pool", False)
    elsewhere = any(key in part for key in _ELSEWHERE for part in (vision, text))
    plain = known >= set(configuration) and isinstance(vision.get("layers"), int)
    return plain and not pooled and not elsewhere

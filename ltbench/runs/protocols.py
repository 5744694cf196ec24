"""The protocols of each family of data sets, as plain facts: what differs from the defaults."""

from typing import Any

# The LDAM-DRW protocol that the field's CIFAR-LT tables share: 200 epochs, two decades at epochs
# 160 and 180. bfloat16 autocast with float32 weights is ltbench's one departure from it.
_CIFAR: dict[str, Any] = {"batch_size": 128, "learning_rate": 0.1, "weight_decay": 2e-4}
_SMOKE: dict[str, Any] = {"epochs": 2, "warmup_epochs": 1, "fraction": 0.05}
_SMALL: dict[str, dict[str, Any]] = {
    "fast": {**_CIFAR, "epochs": 30, "warmup_epochs": 2, "evaluate_every": 5},
    "smoke": {**_CIFAR, **_SMOKE},
}
_DIGITS: dict[str, Any] = {
    "batch_size": 32, "learning_rate": 0.1, "weight_decay": 2e-4, "precision": "float32",
}  # fmt: skip
# A mean over ten labels has a tenth of the gradient of their sum, so the rate is larger.
_MOSAIC: dict[str, Any] = {**_DIGITS, "learning_rate": 0.4}
# BCL's and GKP+GSA's on large images: a cosine without warm-up, from the first epoch on.
_IMAGENET: dict[str, Any] = {
    "batch_size": 256, "learning_rate": 0.1, "weight_decay": 5e-4, "warmup_epochs": 0,
    "schedule": "cosine", "family": "imagenet_lt",
}  # fmt: skip
_INATURALIST: dict[str, Any] = {
    **_IMAGENET, "learning_rate": 0.2, "weight_decay": 1e-4, "family": "inaturalist2018",
}  # fmt: skip
# OLTR's, which begins from ImageNet's weights: rate 0.001 for the encoder, 0.1 for the classifier.
_PLACES: dict[str, Any] = {
    "batch_size": 128, "learning_rate": 0.1, "weight_decay": 5e-4, "warmup_epochs": 0,
    "milestones": "0.3333,0.6667", "decay": 0.1, "family": "places_lt", "pretrained": True,
    "backbone_rate": 0.01,
}  # fmt: skip
# DB's short of what `_DB` adds: from ImageNet's weights, 8 epochs.
_LABELLED: dict[str, Any] = {
    "batch_size": 32, "learning_rate": 0.02, "weight_decay": 1e-4, "warmup_epochs": 1,
    "milestones": "0.625,0.875", "decay": 0.1, "pretrained": True,
}  # fmt: skip
# DB's (Wu et al. 2020), as its code has it: a thousand steps on VOC-LT, half of them warm-up.
_DB: dict[str, Any] = {
    **_LABELLED, "epochs": 8, "warmup_epochs": 0, "warmup_steps": 500, "clip_norm": 35.0,
    "frozen_stages": 1, "frozen_norms": True, "drop_last": True,
}  # fmt: skip
# LIFT's, which begins from CLIP's weights; a small data set is trained by it like a large one.
_CLIP: dict[str, Any] = {
    "batch_size": 128, "epochs": 10, "learning_rate": 0.01, "weight_decay": 5e-4,
    "warmup_epochs": 0, "schedule": "cosine", "pretrained": True,
}  # fmt: skip
_TINY: dict[str, Any] = {"epochs": 2, "fraction": 0.005, "side": 32}
_SHORT: dict[str, Any] = {"epochs": 2, "fraction": 0.05, "side": 32, "pretrained": False}

PROTOCOLS: dict[str, dict[str, dict[str, Any]]] = {
    "cifar": {"paper": {**_CIFAR, "epochs": 200}, **_SMALL, "clip": _CLIP},
    "fashion": {**_SMALL, "clip": _CLIP},
    "own": {**_SMALL, "clip": _CLIP},
    "imagenet_lt": {
        "paper": {**_IMAGENET, "epochs": 90},
        "fast": {**_IMAGENET, "epochs": 30, "evaluate_every": 5},
        "smoke": {**_IMAGENET, **_TINY},
        "clip": {**_CLIP, "family": "imagenet_lt"},
    },
    "own_streamed": {
        "fast": {**_IMAGENET, "epochs": 30, "evaluate_every": 5},
        "smoke": {**_IMAGENET, **_TINY},
        "clip": {**_CLIP, "family": "imagenet_lt"},
    },
    "inaturalist2018": {
        "paper": {**_INATURALIST, "epochs": 100},
        "fast": {**_INATURALIST, "epochs": 30, "evaluate_every": 5},
        "smoke": {**_INATURALIST, **_TINY},
        "clip": {**_CLIP, "epochs": 20, "family": "inaturalist2018"},
    },
    "places_lt": {
        "paper": {**_PLACES, "epochs": 30},
        "fast": {**_PLACES, "epochs": 10, "evaluate_every": 5},
        "smoke": {**_PLACES, **_TINY, "pretrained": False, "backbone_rate": 1.0},
        "clip": {**_CLIP, "family": "places_lt"},
    },
    "voc_lt": {
        "paper": {**_DB, "family": "voc_lt"},
        "fast": {**_LABELLED, "epochs": 8, "family": "voc_lt"},
        "smoke": {**_LABELLED, **_SHORT, "family": "voc_lt"},
    },
    "coco_lt": {
        "paper": {**_DB, "family": "coco_lt"},
        "fast": {**_LABELLED, "epochs": 8, "family": "coco_lt"},
        "smoke": {**_LABELLED, **_SHORT, "family": "coco_lt"},
    },
    "own_labels": {
        "fast": {**_LABELLED, "epochs": 8, "family": "own_labels"},
        "smoke": {**_LABELLED, **_SHORT, "family": "own_labels"},
    },
    "digits_mosaic": {
        "fast": {**_MOSAIC, "epochs": 10, "warmup_epochs": 1, "evaluate_every": 5},
        "smoke": {**_MOSAIC, **_SMOKE, "fraction": 0.24},
    },
    "digits": {
        "fast": {**_DIGITS, "epochs": 60, "evaluate_every": 5},
        "smoke": {**_DIGITS, **_SMOKE, "fraction": 0.2},
        "clip": {**_CLIP, "precision": "float32"},
    },
}

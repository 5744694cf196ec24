"""BCE: binary cross-entropy of every label, the baseline where images have several.

Settings of the VOC-LT and COCO-LT tables, where it is called ERM and with `class_aware` draws RS:
Wu et al., "Distribution-Balanced Loss for Multi-Label Classification in Long-Tailed Datasets",
ECCV 2020.
"""

from dataclasses import dataclass

from ltbench.blocks.label_loss import LabelLoss


@dataclass
class BCE(LabelLoss):
    """The mean over labels of log(1 + e^{-z}) where y = 1 and log(1 + e^z) where y = 0."""

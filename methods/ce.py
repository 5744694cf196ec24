"""CE: cross-entropy on instance-balanced batches, the field's baseline.

Settings of the LDAM-DRW protocol, from Cao et al., "Learning Imbalanced Datasets with
Label-Distribution-Aware Margin Loss", NeurIPS 2019.
"""

from dataclasses import dataclass

from ltbench import Method


@dataclass
class CE(Method):
    """Every hook is the harness's own."""

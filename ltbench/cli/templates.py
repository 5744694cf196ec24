"""The files that `ltbench new` writes: each works as it stands."""

from string import Template

METHOD = Template('''\
"""$title: Authors, "Title of the paper", Venue Year."""

from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor

from ltbench import Batch, Clock, Method, Outputs


@dataclass
class $title(Method):
    """What it changes about cross-entropy training, with the number of the equation.

    To begin with: every logit has tau times the log of its class's share added.
    """

    # A parameter has a type, a default (the paper's value) and a name: $name(tau=2.0).
    # Its range stands in its type.
    tau: Annotated[float, Ge(0)] = 1.0

    # What is not as in the paper, one sentence each, for the reader of your numbers.
    deviations = ()

    # The default of every hook is plain cross-entropy training: delete what the paper does not
    # change, add what it does. docs/methods.md lists the hooks, with an example of each kind.

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return one loss a sample, [B]; the harness takes the mean, modifiers may weight it."""
        logits = outputs["logits"] + self.tau * self.task.priors.log()  # [B, C] + [C]
        return F.cross_entropy(logits, batch.targets, reduction="none")
''')

TABLE = Template("""\
# A table of your own. `ltbench table $path` fills it from the records in results/,
# writes it as CSV, LaTeX and Markdown, and says which commands run what is missing.

title: Two methods on CIFAR-100-LT and digits
seeds: [0, 1, 2]

# What papers print, in a CSV file beside this one, a value a line. Its columns: method is the
# label of a row below; dataset, backbone and imbalance_ratio say of what the value is (a backbone
# may be left empty where the paper does not say); split is all, many, medium or few; metric is
# top1_acc_pct. Further columns, such as venue, are for you. Without reported values, delete this
# line and the file.
reported: $reported

# A column is a data set and what is measured on it: top1 (the default), many, medium, few …
# Each data set has its own protocol and network; `protocol: fast` or `network: resnet32` here,
# above the columns, changes them for all.
columns:
  - {group: "CIFAR-100-LT, r = 100", header: all, dataset: cifar100_lt(imbalance=100)}
  - {group: Digits-LT, header: all, dataset: digits_lt}
  - {group: Digits-LT, header: few, dataset: digits_lt, metric: few}

# A row is a method, as the paper calls it and as ltbench does.
rows:
  - {label: CE, method: ce}
  - {label: LDAM-DRW, venue: NeurIPS 2019, method: ldam_drw}
""")

# As Table 1 of the GKP+GSA paper prints them.
REPORTED = (
    ("method", "venue", "dataset", "backbone", "imbalance_ratio", "split", "metric", "value"),
    ("CE", "", "CIFAR-100-LT", "ResNet-32", "100", "all", "top1_acc_pct", "38.3"),
    ("LDAM-DRW", "NeurIPS 2019", "CIFAR-100-LT", "ResNet-32", "100", "all", "top1_acc_pct", "42.0"),
)  # fmt: skip

DATASET = Template("""\
# A data set of your own. `ltbench data describe $path` shows what ltbench makes of it;
# `--data $path` makes it known to run, table, figure and the others.

name: $name

# Where the images come from. Of your own: a folder that holds a folder of images for each class,
# relative to this file; the lines then are
#
#   images: photos
#   test: 10        # images of each class that are drawn for the test set; leave it out where
#                   # photos/train and photos/test hold the class folders
#   size: 32        # side in pixels; the middle of every image is scaled to it
#
# To begin with: scikit-learn's 1,797 handwritten digits, so that this file works as it stands.
sklearn: load_digits
test: 50
size: 8
channels: 1
flip: false         # a mirrored digit is another one, or none

# A tail is drawn from them: the largest class has 20 times the images of the smallest. Without
# this line the images are taken as they are, which is right where they have a tail of their own.
imbalance: 20

# Classes of more training images are \"many\", of fewer \"few\", all others \"medium\".
many_above: 100
few_below: 20

# What is trained where --network and --protocol name nothing else.
network: resnet8
protocol: fast
""")

PROTOCOL = Template("""\
# A training protocol of your own: `--protocol $path` trains by it. Every record names it with
# all that it changes, so records are read without this file.

name: $name

# The protocol that it begins from (`ltbench list protocols`); what is not written stays as there.
base: fast

epochs: 20
warmup_epochs: 2      # in which the learning rate rises to its full value
learning_rate: 0.05
schedule: step        # or cosine; a step schedule has milestones, a cosine one none
milestones: [0.6, 0.8]  # shares of the epochs at which the rate is multiplied by `decay`
decay: 0.1
weight_decay: 0.0005

# Also: batch_size, momentum, nesterov, precision (float32 or bfloat16), drop_last.
""")

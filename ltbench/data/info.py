"""What is fixed about a data set, and of which it is known. Imports nothing heavy."""

from dataclasses import dataclass
from pathlib import Path

from ltbench.data.class_names import CIFAR10, CIFAR100, DIGITS, FASHION, IMAGENET, PLACES
from ltbench.data.kind import Kind
from ltbench.data.profile import FEW_BELOW, MANY_ABOVE

LISTS = "lists"  # the reader of packed images, which are streamed


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What is fixed about a data set before any image is read."""

    name: str
    title: str
    classes: int
    head_count: int  # training images of the largest class, n_max
    test_count: int  # test images per class, or of all where an image has several labels
    shape: tuple[int, int, int]  # channels, height, width
    mean: tuple[float, ...]
    std: tuple[float, ...]
    imbalance: float  # the default ratio r = n_max / n_min
    network: str
    protocol: str
    family: str  # which protocols apply
    padding: int = 0  # of the random crop, in pixels
    flip: bool = True  # whether a mirrored image keeps its label
    source: str  # where its images come from, in words
    reader: str | None  # its reader in `data.readers`; None: only papers have it, nothing runs it
    listed: bool = False  # it comes as a list of images, at one ratio; else subsets are drawn
    counts: tuple[int, ...] | None = None  # images of each class in the list
    test_counts: tuple[int, ...] | None = None  # test images of each class, where they differ
    validated: bool = False  # it has validation images of its own
    many_above: int = MANY_ABOVE
    few_below: int = FEW_BELOW
    kind: Kind = "single"  # whether an image has one label or several
    whole: bool = False  # of streamed images: squashed to a square, nothing of a label cut off
    class_names: tuple[str, ...] = ()  # in words, in order; nothing where there are none here
    variant: str = ""  # of a set of one's own: h and the first digits of its hash
    file: Path | None = None  # that describes it
    label_folder: Path | None = None  # of one's own images with several labels: where these lie
    deviations: tuple[str, ...] = ()  # of its images from those of its paper, one sentence each

    @property
    def streamed(self) -> bool:
        """Return whether its images stay in a packed file, and are decoded as they are needed."""
        return self.reader == LISTS

    @property
    def annotated(self) -> bool:
        """Return whether labels are several, and those of the test come with the images."""
        return self.listed and self.kind == "multi"


# Both CIFARs are normalised by CIFAR-10's constants, as every LDAM-DRW descendant does.
_CIFAR_MEAN, _CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PREPARED = "images and published lists of your own, packed by `ltbench data prepare`"
_ANNOTATED = "images and annotations of your own, packed by `ltbench data prepare`"
_DISTORTED = (
    "images are cut and scaled to 224 pixels by Pillow, in bytes, and then distorted; the released "
    "code distorts first, at full size, and scales by OpenCV",
    "brightness below 0 is 0 before saturation and hue change",
)

# All that tables may name.
SHIPPED = (
    DatasetInfo(
        name="cifar10_lt", title="CIFAR-10-LT", classes=10, head_count=5000, test_count=1000,
        shape=(3, 32, 32), mean=_CIFAR_MEAN, std=_CIFAR_STD, imbalance=100,
        network="resnet32", protocol="paper", family="cifar", padding=4,
        source="downloaded by torchvision (163 MB)", reader="cifar10", class_names=CIFAR10,
    ),
    DatasetInfo(
        name="cifar100_lt", title="CIFAR-100-LT", classes=100, head_count=500, test_count=100,
        shape=(3, 32, 32), mean=_CIFAR_MEAN, std=_CIFAR_STD, imbalance=100,
        network="resnet32", protocol="paper", family="cifar", padding=4,
        source="downloaded by torchvision (161 MB)", reader="cifar100", class_names=CIFAR100,
    ),
    DatasetInfo(
        name="fashion_mnist_lt", title="Fashion-MNIST-LT", classes=10, head_count=6000,
        test_count=1000, shape=(1, 28, 28), mean=(0.2860,), std=(0.3530,), imbalance=100,
        network="resnet8", protocol="fast", family="fashion", padding=4,
        source="downloaded by torchvision (30 MB)", reader="fashion_mnist", class_names=FASHION,
    ),
    DatasetInfo(
        name="digits_lt", title="Digits-LT", classes=10, head_count=120, test_count=50,
        shape=(1, 8, 8), mean=(0.3053,), std=(0.3760,), imbalance=20,
        network="resnet8", protocol="fast", family="digits", padding=1, flip=False,
        source="1,797 handwritten 8 x 8 digits that come with scikit-learn; no download",
        reader="digits", class_names=DIGITS,
    ),
    DatasetInfo(
        name="digits_mosaic", title="Digits-Mosaic", classes=10, head_count=1000,
        test_count=2000, shape=(1, 32, 32), mean=(0.0944,), std=(0.1808,), imbalance=200,
        network="resnet8", protocol="fast", family="digits_mosaic", padding=1, flip=False,
        source="scikit-learn's digits, one to four on a canvas; no download",
        reader="digits_mosaic", validated=True, many_above=99, kind="multi",
    ),
    DatasetInfo(
        name="imagenet_lt", title="ImageNet-LT", classes=1000, head_count=1280, test_count=50,
        shape=(3, 224, 224), mean=_IMAGENET_MEAN, std=_IMAGENET_STD, imbalance=256,
        network="resnet50", protocol="paper", family="imagenet_lt", source=_PREPARED,
        reader=LISTS, listed=True, validated=True, class_names=IMAGENET,
    ),
    DatasetInfo(
        name="places_lt", title="Places-LT", classes=365, head_count=4980, test_count=100,
        shape=(3, 224, 224), mean=_IMAGENET_MEAN, std=_IMAGENET_STD, imbalance=996,
        network="resnet152", protocol="paper", family="places_lt", source=_PREPARED,
        reader=LISTS, listed=True, validated=True, class_names=PLACES,
    ),
    DatasetInfo(
        name="inaturalist2018", title="iNaturalist 2018", classes=8142, head_count=1000,
        test_count=3, shape=(3, 224, 224), mean=(0.466, 0.471, 0.380),
        std=(0.195, 0.194, 0.192), imbalance=500, network="resnet50", protocol="paper",
        family="inaturalist2018", source=_PREPARED, reader=LISTS, listed=True,
    ),
    DatasetInfo(
        name="voc_lt", title="VOC-LT", classes=20, head_count=775, test_count=4952,
        shape=(3, 224, 224), mean=_IMAGENET_MEAN, std=_IMAGENET_STD, imbalance=193.75,
        network="resnet50_neck", protocol="paper", family="voc_lt", source=_ANNOTATED,
        reader=LISTS, listed=True, many_above=99, kind="multi", whole=True, deviations=_DISTORTED,
    ),
    DatasetInfo(
        name="coco_lt", title="COCO-LT", classes=80, head_count=1128, test_count=5000,
        shape=(3, 224, 224), mean=_IMAGENET_MEAN, std=_IMAGENET_STD, imbalance=188,
        network="resnet50_neck", protocol="paper", family="coco_lt", source=_ANNOTATED,
        reader=LISTS, listed=True, many_above=99, kind="multi", whole=True, deviations=_DISTORTED,
    ),
)  # fmt: skip

"""Records made up for tests, of one data set of two classes."""

from ltbench.runs.record import Cost, DataFacts, Environment, Record, Scores


def scores(top1: float, shots: tuple[float | None, float | None, float | None]) -> Scores:
    hits = round(10 * top1)
    return Scores(
        epoch=200, top1=hits / 10, many=shots[0], medium=shots[1], few=shots[2],
        calibration_error=5.0, correct=(min(hits, 500), max(hits - 500, 0)), total=(500, 500),
    )  # fmt: skip


def record(
    method: str,
    seed: int,
    top1: float,
    *,
    dataset: str = "cifar100_lt(imbalance=100)",
    network: str = "resnet32",
    protocol: str = "paper",
    shots: tuple[float | None, float | None, float | None] = (60.0, 40.0, 10.0),
    best: float | None = None,
    seconds: float = 10.0,
) -> Record:
    return Record(
        dataset=dataset, network=network, method=method, trained=method, protocol=protocol,
        seed=seed, fingerprint="0" * 16, parameters={}, settings={}, stages=[],
        data=DataFacts(class_counts=(500, 5), indices_sha256="0", many_above=100, few_below=20,
                  test_images=1000),
        last=scores(top1, shots), best=None if best is None else scores(best, shots), selected=None,
        cost=Cost(train_seconds=seconds, evaluate_seconds=1.0, steps=1, images_per_second=1.0,
                  peak_memory_mib=1.0, parameters=1),
        environment=Environment(ltbench="0", commit=None, dirty=None, python="3", torch="2",
                                torchvision="0", cuda=None, device="cpu", threads=1,
                                platform="linux"),
        deviations=[], finished="2025-01-01T00:00:00Z",
    )  # fmt: skip

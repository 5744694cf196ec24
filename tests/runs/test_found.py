from ltbench.runs.store import Cell


def test_seeds_and_protocols_of_a_cell_are_those_with_a_record(store, make_record):
    for protocol, seed in (("paper", 10), ("paper", 2), ("fast", 0), ("fast(epochs=20)", 1)):
        store.write(make_record(protocol=protocol, seed=seed))
    store.write(make_record(protocol="smoke", seed=0, network="resnet50"))
    cell = Cell.of(make_record(protocol="paper", seed=0))
    store.curves_path(cell).write_text("")
    store.failure_path(cell).write_text("{}")
    assert store.seeds(cell) == [2, 10]
    assert store.protocols(cell) == ["fast", "fast(epochs=20)", "paper"]
    store.path(Cell.of(make_record(protocol="paper", seed=2))).write_text("{")
    assert store.protocols(cell) == ["fast", "fast(epochs=20)", "paper"]
    store.path(Cell.of(make_record(protocol="fast", seed=0))).write_text("{")
    assert store.protocols(cell) == ["fast(epochs=20)", "paper"]

"""Rows of analyses made up for the figures that are drawn of them."""


def trajectory():
    """A loss of 1 + |x| + |y| for many classes and twice that for medium ones."""
    found = []
    for label in range(10):
        shots, factor = ("many", 1.0) if label < 8 else ("medium", 2.0)
        fixed = {"class": label, "training_images": 10, "shots": shots}
        for epoch, x, y in ((1, -2.0, 1.0), (2, -1.0, 0.5), (3, 0.0, 0.0)):
            found.append({**fixed, "kind": "epoch", "epoch": epoch, "x": x, "y": y,
                          "off_plane": 0.1 * (3 - epoch), "explained_x": 0.7, "explained_y": 0.2,
                          "value": factor})  # fmt: skip
        for x in (-2.0, -1.0, 0.0):
            for y in (0.0, 1.0):
                found.append({**fixed, "kind": "grid", "x": x, "y": y,
                              "value": factor * (1 + abs(x) + abs(y))})  # fmt: skip
    return found


def hessian(shift=0.0):
    """Ten classes with the largest eigenvalue 10 + class + shift, 3 in 4 of the others at zero."""
    found = []
    for label in range(10):
        fixed = {"view": "train", "group": label, "images": 50, "probe": None, "step": None}
        values = {"lambda_max": 10.0 + label + shift, "trace": 20.0, "filter_trace": 5.0 + shift}
        found += [{**fixed, "quantity": name, "value": each} for name, each in values.items()]
        for step, (node, weight) in enumerate(((0.0, 0.75), (10.0 + label + shift, 0.25))):
            own = {**fixed, "probe": 0, "step": step}
            found += [{**own, "quantity": "node", "value": node},
                      {**own, "quantity": "weight", "value": weight}]  # fmt: skip
    return found


def drift(shift=0.0):
    """Ends at (4, 0), (0, 3) and (1 + shift, 1); a loss of 1 + x + y, twice that for medium."""
    found = [{"kind": "quantity", "of": name, "value": value} for name, value in (
        ("distance_ratio", 0.8 + shift), ("distance_ratio_by_length", 0.9))]  # fmt: skip
    ends = {"tail": (4.0, 0.0), "full": (0.0, 3.0), "run": (1.0 + shift, 1.0)}
    for label in range(10):
        shots, factor = ("many", 1.0) if label < 8 else ("medium", 2.0)
        fixed = {"class": label, "training_images": 10, "shots": shots}
        for role, (x, y) in ends.items():
            for epoch in (0, 1):
                found.append({**fixed, "kind": "epoch", "of": role, "epoch": epoch,
                              "x": epoch * x, "y": epoch * y, "value": factor,
                              "off_plane": 0.5 * epoch * (role == "run")})  # fmt: skip
        for x in (0.0, 2.0, 4.0):
            for y in (0.0, 3.0):
                found.append({**fixed, "kind": "grid", "x": x, "y": y,
                              "value": factor * (1 + x + y)})  # fmt: skip
    return found

"""Damaged images in a sweep: too many are refused before anything is trained, fewer are left out and listed."""

import csv
import math
from collections.abc import Callable
from dataclasses import replace

from sweep.plan.plan import Plan
from trainers.datasets.dataset import Dataset, Split
from trainers.datasets.registry import check_dataset, load_dataset
from trainers.errors import ConfigError, counted
from trainers.files import replacing

LIST = "damaged_images.csv"


def without_damaged_images(plan: Plan, announce: Callable[[str], None]) -> Plan:
    """`plan` on the images that can be decoded, for which every image of its datasets is decoded once on this machine.

    Raises:
        ConfigError: more than `max_damaged` of a split is damaged.
    """
    for data in dict.fromkeys(point.config.data for point in plan.points):
        _refuse_too_many(check_dataset(data, announce, again=True), plan.config.max_damaged)
    points = tuple(replace(point, dataset=load_dataset(point.config.data)) for point in plan.points)
    return replace(plan, dataset=load_dataset(plan.config.train.data), points=points)


def list_damaged(plan: Plan) -> str | None:
    """Write the images that `plan` leaves out to a CSV file in its folder; a line that says so, None without any."""
    path = plan.folder / LIST
    datasets = {point.dataset.fingerprint: point.dataset for point in plan.points}.values()
    rows = [
        (name, image.image, image.reason)
        for dataset in datasets
        for name, split in dataset.splits.items()
        for image in split.damaged
    ]
    if not rows:
        path.unlink(missing_ok=True)  # they have been repaired
        return None
    with replacing(path) as partial, open(partial, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["split", "image", "reason"])
        writer.writerows(rows)
    return f"{counted(len(rows), 'damaged image')} left out, listed in {path}"


def _refuse_too_many(dataset: Dataset, most: float) -> None:
    """Raise a ConfigError if more than `most` of a split's images are damaged; it names the split that has most."""
    name, split = max(dataset.splits.items(), key=lambda item: _share(item[1]))
    share = _share(split)
    if share <= most:
        return
    examples = ", ".join(f"{image.image} ({image.reason})" for image in split.damaged[:2])
    raise ConfigError(
        f"{len(split.damaged)} of {counted(len(split) + len(split.damaged), 'image')} of {dataset.name}, {name}, are "
        f"damaged, {100 * share:.3g} % and not {100 * most:.3g} % at most; repair or remove them, or leave so many out "
        f"with --max-damaged {math.ceil(100 * share) / 100:g}: {examples}{', ...' if len(split.damaged) > 2 else ''}"
    )


def _share(split: Split) -> float:
    """How much of a split, 0 to 1, is damaged."""
    return len(split.damaged) / (len(split) + len(split.damaged))

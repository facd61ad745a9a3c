"""Damaged images of a sweep's datasets: too many are an error before any training, fewer are left out and listed."""

import csv
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from sweep.plan.left import Left
from trainers.datasets.dataset import DamagedImage, Dataset, Split
from trainers.datasets.registry import check_dataset
from trainers.errors import ConfigError, counted
from trainers.files import replacing

LIST = "damaged_images.csv"


def without_damaged_images(left: Left, announce: Callable[[str], None]) -> tuple[Left, list[Dataset]]:
    """Return `left` and its datasets without the damaged images.

    Every image of the datasets is decoded once on this machine.

    Raises:
        ConfigError: more than the share `max_damaged` of a split's images is damaged.
    """
    plan = left.plan
    datasets: dict[str, Dataset] = {}
    for data in dict.fromkeys([plan.config.train.data, *(point.config.data for point in plan.networks)]):
        datasets[data] = check_dataset(data, announce, again=True)
        _refuse_too_many(datasets[data], plan.config.max_damaged)
    plan = replace(
        plan,
        dataset=datasets[plan.config.train.data],
        trials=tuple(trial.on(datasets) for trial in plan.trials),
        candidates=tuple(replace(point, dataset=datasets[point.config.data]) for point in plan.candidates),
    )
    left = replace(left, plan=plan, trials=tuple(trial.on(datasets) for trial in left.trials))
    return left, list({dataset.fingerprint: dataset for dataset in datasets.values()}.values())


def write_damaged(datasets: Iterable[Dataset], folder: Path) -> str | None:
    """Write the damaged images of the datasets to a CSV file in `folder`; return a line about it, None without any."""
    path = folder / LIST
    rows = [
        (name, image.image, image.reason)
        for dataset in datasets
        for name, split in dataset.splits.items()
        for image in split.damaged
    ]
    if not rows:
        path.unlink(missing_ok=True)  # images listed by an earlier start have been repaired
        return None
    with replacing(path) as partial, open(partial, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["split", "image", "reason"])
        writer.writerows(rows)
    return f"{counted(len(rows), 'damaged image')} left out, listed in {path}"


def _refuse_too_many(dataset: Dataset, most: float) -> None:
    """Raise a ConfigError if more than `most` of any split's images are damaged; it names the most damaged split."""
    name, split = max(dataset.splits.items(), key=lambda item: _share(item[1]))
    share = _share(split)
    if share <= most:
        return
    examples = ", ".join(_as_text(image) for image in split.damaged[:2])
    raise ConfigError(
        f"{len(split.damaged)} of {counted(len(split) + len(split.damaged), 'image')} of {dataset.name}, {name}, are "
        f"damaged, {100 * share:.3g} % and not {100 * most:.3g} % at most; repair or remove them, or leave them out "
        f"with --max-damaged {math.ceil(100 * share) / 100:g}: {examples}{', ...' if len(split.damaged) > 2 else ''}"
    )


def _as_text(image: DamagedImage) -> str:
    return f"{image.image} ({image.reason})"


def _share(split: Split) -> float:
    """Return the share of damaged images in a split, 0 to 1."""
    return len(split.damaged) / (len(split) + len(split.damaged))

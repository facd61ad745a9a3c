"""Logistic regression on raw pixels: the accuracy that a network on these images has to exceed.

    uv run benchmarks/linear_probe.py --data PATH [--resolution 16 32 64 128]

The pixels are those of a sweep's centre crops, without augmentation. With an intercept that is not penalised, the
optimum under an L2 penalty lies in the span of the centred training images, so regression in a basis of this span is
regression on all pixels. The penalty is the best one on the validation split, which flatters the validation accuracy.
"""

import argparse
import sys
from pathlib import Path

import torch
from sklearn.linear_model import LogisticRegression

sys.path.insert(0, str(Path(__file__).parents[1]))  # the project is run from its checkout, not installed

from trainers.config import TrainConfig
from trainers.datasets.batches.batches import batches
from trainers.datasets.dataset import Dataset, SplitName
from trainers.datasets.registry import check_dataset

INVERSE_PENALTIES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1, 1.0, 10.0)
TOLERANCE = 1e-7
"""Tolerance of the optimum's gradient."""


def pixels(dataset: Dataset, split: SplitName, resolution: int) -> torch.Tensor:
    """Return the images of a split (N, 3 R R), 0 to 1."""
    config = TrainConfig(data=dataset.name, num_classes=len(dataset.classes), resolution=resolution)
    found = batches(dataset, split, config, num_workers=0, centred=True)
    return torch.cat([images for images, _ in found]).flatten(1).float().div_(255)


def coordinates(images: dict[SplitName, torch.Tensor]) -> dict[SplitName, torch.Tensor]:
    """Return the images of each split in an orthonormal basis that spans the centred training images."""
    mean = images["train"].mean(0)
    basis, _ = torch.linalg.qr((images["train"] - mean).T)
    return {split: ((each - mean) @ basis).double() for split, each in images.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="as for a sweep")
    parser.add_argument("--resolution", type=int, nargs="+", default=[16, 32, 64, 128], help="px")
    arguments = parser.parse_args()
    dataset = check_dataset(arguments.data)
    for resolution in arguments.resolution:
        found = coordinates({split: pixels(dataset, split, resolution) for split in dataset.splits})
        scored: list[tuple[dict[SplitName, float], float]] = []
        for inverse_penalty in INVERSE_PENALTIES:
            probe = LogisticRegression(C=inverse_penalty, max_iter=10_000, tol=TOLERANCE)
            probe.fit(found["train"].numpy(), dataset.splits["train"].labels)
            top1: dict[SplitName, float] = {
                s: 100 * probe.score(each.numpy(), dataset.splits[s].labels) for s, each in found.items()
            }
            scored.append((top1, inverse_penalty))
        best, inverse_penalty = max(scored, key=lambda each: each[0]["val"])
        said = ", ".join(f"{split} {top1:.1f} %" for split, top1 in best.items())
        print(f"{resolution} px: {said} (C = {inverse_penalty:g})", flush=True)


if __name__ == "__main__":
    main()

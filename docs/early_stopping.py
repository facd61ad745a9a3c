"""Draw docs/early-stopping.svg: two settings of one network, and how surely one of them is as good or better.

Command: uv run docs/early_stopping.py. The accuracies are an example; the scheduler's code computes the probabilities.
"""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib import pyplot

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))  # the checkout, whose code is drawn

from analysis import style  # noqa: E402
from sweep.choose.comparisons import Comparisons  # noqa: E402
from sweep.choose.schedulers import CERTAIN, INDIFFERENT  # noqa: E402
from trainers.config import TrainConfig  # noqa: E402

EPOCHS = 20
NUM_VAL = 5000
RIVAL, TRIAL = 0.05, 0.005
"""The learning rates that are compared."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """Two trainings of one network, epoch by epoch."""

    rival: list[float]
    """Top-1 of the setting that finished, percent."""
    trial: list[float]
    """Top-1 of the setting that is being trained, percent."""
    probability: list[float]
    """That the rival's setting is as good or better in the end."""

    @property
    def stopped_at(self) -> int:
        """The first epoch at which the probability is above CERTAIN."""
        return next(i for i, probability in enumerate(self.probability, 1) if probability > CERTAIN)


def example() -> Example:
    """The rival has finished; the trial is measured epoch by epoch."""
    rival_top1 = [70.0 - 50.0 * math.exp(-epoch / 5) for epoch in range(1, EPOCHS + 1)]
    trial_top1 = [66.5 - 55.0 * math.exp(-epoch / 5) for epoch in range(1, EPOCHS + 1)]
    comparisons = Comparisons()
    rival = comparisons.add("rival", TrainConfig(epochs=EPOCHS, lr=RIVAL), NUM_VAL)
    trial = comparisons.add("trial", TrainConfig(epochs=EPOCHS, lr=TRIAL), NUM_VAL)
    for top1 in rival_top1:
        comparisons.measured(rival, top1, [])
    probability: list[float] = []
    for top1 in trial_top1:
        comparisons.measured(trial, top1, [rival])
        mean, deviation = comparisons.advantage(rival, trial)
        probability.append((1 + math.erf((mean + INDIFFERENT) / deviation / math.sqrt(2))) / 2)
    return Example(rival=rival_top1, trial=trial_top1, probability=probability)


def main() -> None:
    """Write the figure beside this file."""
    shown = example()
    epochs = range(1, EPOCHS + 1)
    stopped = shown.stopped_at
    with matplotlib.rc_context(dict(style.RC)):
        figure, (above, below) = pyplot.subplots(2, 1, sharex=True, figsize=(7.2, 5.2), layout="constrained")
        above.plot(epochs, shown.rival, color=style.SINGLE, label=f"rival, lr = {RIVAL:g}")
        above.plot(epochs[:stopped], shown.trial[:stopped], color=style.INK, label=f"trial, lr = {TRIAL:g}")
        rest = slice(stopped - 1, None)
        above.plot(epochs[rest], shown.trial[rest], color=style.MUTED, ls=":", label="trial, if it went on")
        above.set_ylabel("validation top-1, %")
        above.legend(frameon=False, loc="lower right")
        below.plot(epochs, shown.probability, color=style.INK, marker="o", markersize=4)
        below.axhline(CERTAIN, color=style.SINGLE, linestyle="--")
        below.annotate(f"CERTAIN = {CERTAIN:g}", (EPOCHS, CERTAIN), (0, -14), textcoords="offset points", ha="right")
        below.set(ylim=(0.7, 1.03), xlabel="epoch", ylabel="P(rival as good or better)", xticks=[1, 5, 10, 15, 20])
        for axes in (above, below):
            axes.axvline(stopped, color=style.PUBLISHED, linewidth=1)
            axes.spines[["top", "right"]].set_visible(False)
        above.annotate(f"stopped at epoch {stopped}", (stopped, 20), (6, 0), textcoords="offset points")
        figure.savefig(FOLDER / "early-stopping.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()

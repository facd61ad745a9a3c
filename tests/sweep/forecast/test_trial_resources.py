"""Trials get their share of nodes of all kinds, or an error if no node can hold them."""

from typing import Any

import pytest

from sweep.config import SweepConfig
from sweep.forecast.trial_resources import trial_resources
from trainers.config import TrainConfig
from trainers.errors import ConfigError

LAPTOP = [{"CPU": 8.0}]
SERVER = [{"CPU": 64.0, "GPU": 4.0}]
CLUSTER = [{"CPU": 16.0}, {"CPU": 32.0, "GPU": 2.0}, {"CPU": 32.0, "GPU": 2.0}]


@pytest.mark.parametrize(
    ("nodes", "settings", "num_workers", "cpus", "gpus", "num_trials"),
    [
        (LAPTOP, {}, 1, 1, 0, 8),
        (LAPTOP, {"cpus_per_trial": 3}, 1, 3, 0, 2),
        (LAPTOP, {"workers_per_trial": 2}, 2, 1, 0, 4),
        (LAPTOP, {"workers_per_trial": 2, "cpus_per_trial": 4}, 2, 2, 0, 2),
        (SERVER, {}, 1, 16, 1, 4),
        (SERVER, {"gpus_per_trial": 0.25}, 1, 4, 0.25, 16),
        ([{"CPU": 64.0, "GPU": 8.0}], {"gpus_per_trial": 0.6}, 1, 4, 0.6, 8),
        (SERVER, {"gpus_per_trial": 0.4, "cpus_per_trial": 1}, 1, 1, 0.4, 8),
        (SERVER, {"gpus_per_trial": 2}, 2, 16, 1, 2),
        (SERVER, {"gpus_per_trial": 4, "cpus_per_trial": 8}, 4, 2, 1, 1),
        (SERVER, {"gpus_per_trial": 0}, 1, 1, 0, 64),
        (CLUSTER, {}, 1, 16, 1, 4),
        (CLUSTER, {"gpus_per_trial": 4}, 4, 16, 1, 1),
    ],
)
def test_a_trial_gets_its_share_of_the_nodes(
    nodes: list[dict[str, float]], settings: dict[str, Any], num_workers: int, cpus: float, gpus: float, num_trials: int
) -> None:
    resources = trial_resources(SweepConfig(space="mnv2_quick", **settings), nodes)

    assert (resources.num_workers, resources.per_worker, resources.num_trials) == (
        num_workers,
        {"CPU": cpus, "GPU": gpus},
        num_trials,
    )


@pytest.mark.parametrize(
    ("nodes", "settings", "message"),
    [
        (LAPTOP, {"gpus_per_trial": 1}, "1 CPUs and 1 GPUs, but no node has both .the largest: 8 CPUs, 0 GPUs"),
        (LAPTOP, {"cpus_per_trial": 9}, "9 CPUs and 0 GPUs, but no node"),
        (LAPTOP, {"workers_per_trial": 9}, "9 workers with 1 CPUs and 0 GPUs each, but there is room for 8"),
        (
            LAPTOP,
            {"workers_per_trial": 2, "train": TrainConfig(sync_bn=True)},
            "leave out --train.sync-bn",
        ),
        (CLUSTER, {"gpus_per_trial": 5}, "5 workers with 16 CPUs and 1 GPUs each, but there is room for 4"),
    ],
)
def test_resources_that_no_node_has_are_an_error(
    nodes: list[dict[str, float]], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        trial_resources(SweepConfig(space="mnv2_quick", **settings), nodes)

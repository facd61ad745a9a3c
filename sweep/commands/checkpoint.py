"""The arguments that every command about one trained network has."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sweep.commands.flags import Positional
from trainers.errors import ConfigError
from trainers.values import Amount

if TYPE_CHECKING:
    from trainers.weights.network import Network


@dataclass(frozen=True, kw_only=True)
class CheckpointArguments:
    """The choice of a network."""

    checkpoint: Annotated[str, Positional("CHECKPOINT")]
    """A point runs/NAME/ID, a sweep runs/NAME with --best, a .pt or .pth file, mlflow:RUN_ID, or a published network
    such as dli14:0.35_224, which `run_sweep.py list` names."""
    best: bool = False
    """Take the network of the sweep CHECKPOINT that `recommend` ships: the most accurate one."""
    max_macs: Amount | None = None
    """Most multiply-accumulates of the network that --best takes, such as 100M."""
    max_params: Amount | None = None
    """Most parameters of the network that --best takes, such as 3M."""
    resolution: int | None = None
    """Height and width of the input in px; unset: the network's own, or 224 if a file does not say."""
    runs: Path = Path("runs")
    """Folder of the MLflow store."""
    tracking_uri: str | None = None
    """MLflow server or store; unset: MLFLOW_TRACKING_URI, else an SQLite file in the folder `runs`."""

    def open(self) -> "Network":
        """Open the network that CHECKPOINT names."""
        from analysis.advice.recommend import Caps
        from sweep.networks.checkpoints import open_checkpoint

        limits = {"macs": self.max_macs, "num_params": self.max_params}
        caps = Caps(at_most={cost: limit for cost, limit in limits.items() if limit is not None})
        if caps.at_most and not self.best:
            raise ConfigError("--max-macs and --max-params choose among the networks of a sweep: add --best")
        network = open_checkpoint(
            self.checkpoint, best=self.best, caps=caps, runs=self.runs, tracking_uri=self.tracking_uri
        )
        return network.at(self.resolution)

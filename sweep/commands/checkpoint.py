"""The arguments that every command about one trained network has."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sweep.commands.flags import Positional

if TYPE_CHECKING:
    from trainers.weights.network import Network


@dataclass(frozen=True, kw_only=True)
class CheckpointArguments:
    """The choice of a network."""

    checkpoint: Annotated[str, Positional("CHECKPOINT")]
    """A point runs/NAME/ID, a sweep runs/NAME with --best, a .pt or .pth file, mlflow:RUN_ID, or a published network
    such as dli14:0.35_224, which `run_sweep.py list` names."""
    best: bool = False
    """Take the COMPLETE point with the highest top-1 of the sweep CHECKPOINT."""
    resolution: int | None = None
    """Height and width of the input in px; unset: the network's own, or 224 if a file does not say."""
    runs: Path = Path("runs")
    """Folder of the MLflow store."""
    tracking_uri: str | None = None
    """MLflow server or store; unset: MLFLOW_TRACKING_URI, else an SQLite file in the folder `runs`."""

    def open(self) -> "Network":
        """Open the network that CHECKPOINT names."""
        from sweep.networks.checkpoints import open_checkpoint

        network = open_checkpoint(self.checkpoint, best=self.best, runs=self.runs, tracking_uri=self.tracking_uri)
        return network.at(self.resolution)

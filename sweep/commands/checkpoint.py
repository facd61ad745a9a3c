"""The arguments that all commands about one trained network have: which network."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sweep.commands.flags import Positional

if TYPE_CHECKING:
    from trainers.weights.network import Network


@dataclass(frozen=True, kw_only=True)
class CheckpointArguments:
    """Which network a command is about."""

    checkpoint: Annotated[str, Positional("CHECKPOINT")]
    """A point runs/NAME/ID, a sweep runs/NAME with --best, a .pt or .pth file, mlflow:RUN_ID, or a published network
    such as dli14:0.35_224; `run_sweep.py list` names them."""
    best: bool = False
    """CHECKPOINT is a sweep: take its COMPLETE point of the highest top-1."""
    resolution: int | None = None
    """Height and width of the input, px; unset: the network's own, or 224 where a file does not say."""
    runs: Path = Path("runs")
    """Where the MLflow store lies."""
    tracking_uri: str | None = None
    """MLflow server or store; unset: MLFLOW_TRACKING_URI, else an SQLite file in the folder `runs`."""

    def open(self) -> "Network":
        """The network that CHECKPOINT names."""
        from sweep.networks.checkpoints import open_checkpoint

        network = open_checkpoint(self.checkpoint, best=self.best, runs=self.runs, tracking_uri=self.tracking_uri)
        return network.at(self.resolution)

"""Opens the network that a CHECKPOINT names: a point, a sweep's best, a file, an MLflow run or a published network."""

import re
from pathlib import Path

from analysis.advice.recommend import Caps, recommend
from analysis.results.read import latest_rows, load_table
from analysis.results.schema import RESULTS
from analysis.results.settings import by_setting
from trainers.config import TrainConfig
from trainers.errors import ConfigError
from trainers.models.registry import MODELS
from trainers.weights.checkpoint import BEST
from trainers.weights.network import Network, load_network, untrained
from trainers.weights.published import SOURCES, published_network

FORMS = (
    "a point runs/NAME/ID or the beginning of its id, a sweep runs/NAME with --best, a .pt or .pth file, "
    "mlflow:RUN_ID, a published network (`run_sweep.py list` names them), or for latency one that nobody has trained, "
    "such as mobilenet_v2:0.35_96"
)

NO_CAPS = Caps()


def open_checkpoint(
    text: str,
    *,
    best: bool = False,
    caps: Caps = NO_CAPS,
    runs: Path = Path("runs"),
    tracking_uri: str | None = None,
) -> Network:
    """Return the network that `text` names.

    Args:
        text: one of FORMS.
        best: `text` names a sweep: take the network that `recommend` ships, the best seed of its setting.
        caps: limits on the costs of the best network.
        runs: the folder of the MLflow store, unless `tracking_uri` or MLFLOW_TRACKING_URI names another store.
        tracking_uri: MLflow server or store.

    Raises:
        ConfigError: `text` names nothing, or nothing that can be loaded.
    """
    if text.startswith("mlflow:"):
        from sweep.watch.mlflow_store import find_point_folder  # MLflow takes seconds to import

        return _of_point(find_point_folder(text.removeprefix("mlflow:"), runs, tracking_uri))
    if text.partition(":")[0] in SOURCES and not best:
        return published_network(text)
    path = Path(text)
    if best:
        return _of_point(point_folder(path, _best_point(path, caps)))
    if (path / RESULTS).is_file():
        raise ConfigError(f"{path} is a sweep: choose its best network with --best, or a point, {path}/ID")
    if path.is_dir():
        return _of_point(path)
    if path.suffix == ".onnx":
        raise ConfigError(f"{path} is an export for other programs; give what it was made of: {FORMS}")
    if path.is_file():
        return load_network(path)
    if (path.parent / RESULTS).is_file():
        return _of_point(point_folder(path.parent, path.name))
    raise ConfigError(f"no checkpoint {text!r}; give {FORMS}")


def open_untrained(text: str) -> Network | None:
    """Return the network with random weights that `text` describes as MODEL:WIDTH_RESOLUTION; None for other texts.

    Raises:
        ConfigError: the model has no such width or resolution.
    """
    parts = re.fullmatch(r"(\w+):([0-9.]+)_([0-9]{1,9})", text)
    if not parts or parts[1] not in MODELS:
        return None
    try:
        width_mult = float(parts[2])
    except ValueError:
        raise ConfigError(f"{parts[2]!r} in {text!r} is no width; write it as mobilenet_v2:0.35_96") from None
    return untrained(TrainConfig(model=parts[1], width_mult=width_mult, resolution=int(parts[3]), num_classes=1000))


def untrained_name(*, model: str, width_mult: float, resolution: int, round_nearest: int) -> str | None:
    """Return the name of a network for `open_untrained`; None if it does not round channels as by default."""
    return f"{model}:{width_mult:g}_{resolution:g}" if round_nearest == TrainConfig.round_nearest else None


def point_folder(sweep: Path, point: str) -> Path:
    """Return the folder of checkpoints of a point in the sweep `sweep`; `point` is an id or the beginning of one.

    Raises:
        ConfigError: no point or several points match.
    """
    rows = latest_rows(sweep)
    if point in rows or (sweep / "points" / point).is_dir():
        return sweep / "points" / point
    matches = [id_ for id_ in rows if point and id_.startswith(point)]
    if len(matches) != 1:
        examples = ", ".join((matches or list(rows))[:3]) + (", ..." if len(matches or rows) > 3 else "")
        has = f"several of {point!r}: {examples}" if matches else f"no point {point!r}; it has {examples or 'none yet'}"
        raise ConfigError(f"{sweep} has {has}")
    return sweep / "points" / matches[0]


def _best_point(sweep: Path, caps: Caps) -> str:
    """Return the id of the best seed of the setting that `recommend` and reports choose within `caps`."""
    if not (sweep / RESULTS).is_file():
        raise ConfigError(f"--best chooses from a sweep, and there is none at {sweep}; give its folder, runs/NAME")
    return str(recommend(by_setting(load_table(sweep)), caps).best["point"])


def _of_point(folder: Path) -> Network:
    if not (folder / BEST).is_file():
        sweep = folder.parent.parent
        row = latest_rows(sweep).get(folder.name, {})
        why = f": it is {row['state']} ({row['reason']})" if row.get("reason") else ""
        raise ConfigError(f"{folder} holds no {BEST}{why}")
    return load_network(folder / BEST)

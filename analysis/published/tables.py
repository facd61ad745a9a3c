"""Published MobileNet tables, read from the CSV files beside this module; the name of a file registers it.

A file is called SOURCE_mobilenet*.csv or SOURCE_latency*.csv, and one source may have several. `macs` and `num_params`
are counted by this project's own rule (1000 classes) and are empty where the network is not one of ours. The printed
figures stand beside them, and `misprint` says what is wrong. All accuracies are ImageNet's, in percent.

Accuracies of a network depend on the recipe, so figures of two sources are never mixed.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from trainers.errors import counted, unknown_choice

TABLES = Path(__file__).parent
CELL = ("model", "width_mult", "resolution", "round_nearest")
"""Columns that identify a published network, at the published strides."""
COLUMNS = (
    "source",
    "model",
    "variant",
    "precision",
    "width_mult",
    "resolution",
    "round_nearest",
    "macs",
    "num_params",
    "printed_macs_m",
    "printed_params_m",
    "top1",
    "top5",
    "latency_ms",
    "latency_device",
    "misprint",
    "notes",
    "citation",
)
"""Columns of every table, in order; `precision` is `float` or `int8`, `citation` a repository and its file."""
NUM_VAL = 50_000
"""Images of ImageNet's validation split, on which all accuracies were measured."""
MORE_DATA = "in21k"
"""Text in the `variant` of weights that were pretrained on ImageNet-21k."""
NOT_OWN = r"3rdparty|^tf_|Official Implementation"
"""Pattern in the `variant` of weights that another source trained."""
TEXT = ("source", "model", "variant", "precision", "latency_device", "misprint", "notes", "citation")


def sources() -> dict[str, str]:
    """Return a line for each source, by name: models, number of distinct networks, number of top-1 figures."""
    return {name: _summary(load_published(name)) for name in sorted(_files())}


def load_published(source: str) -> pd.DataFrame:
    """Return every row of one source, in COLUMNS and upstream's order; missing text is "", missing numbers are NaN.

    Raises:
        ConfigError: the source is unknown; the message names all sources.
    """
    files = _files()
    if source not in files:
        raise unknown_choice("published source", source, files)
    return pd.concat([_read(path) for path in files[source]], ignore_index=True)


def load_cells(source: str) -> pd.DataFrame:
    """Return the networks of one source that can be drawn: one row per CELL, with top-1 and computed costs.

    Of several rows for one network (recipes, or one row in two tables) the best top-1 counts; 8-bit rows and rows of
    networks that were trained on more than ImageNet-1k never count.

    Raises:
        ConfigError: there is no such source.
    """
    return _best_of_each(load_published(source))


def _best_of_each(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the row of the best top-1 of each network with known costs, trained on ImageNet-1k alone."""
    rows = rows.loc[~rows["variant"].str.contains(MORE_DATA)]
    rows = rows.loc[rows["top1"].notna() & rows["macs"].notna() & (rows["precision"] == "float")]
    best_first = rows.sort_values("top1", ascending=False, kind="stable")
    return best_first.drop_duplicates(list(CELL)).sort_index().reset_index(drop=True)


def load_every_source(models: Iterable[str]) -> pd.DataFrame:
    """Return the networks of these families from all sources, in the columns of `load_cells`.

    Weights that a source took from another source are left out.
    """
    trained = [rows.loc[~rows["variant"].str.contains(NOT_OWN)] for rows in map(load_published, sorted(_files()))]
    cells = pd.concat([_best_of_each(rows) for rows in trained], ignore_index=True)
    return cells.loc[cells["model"].isin(list(models))].reset_index(drop=True)


def misprints() -> pd.DataFrame:
    """Return the rows of all sources with a misprint: the printed and the true figure."""
    tables = pd.concat([load_published(name) for name in sorted(_files())], ignore_index=True)
    columns = ["source", "variant", "printed_macs_m", "printed_params_m", "misprint"]
    return tables.loc[tables["misprint"] != "", columns].reset_index(drop=True)


def load_weight_sharing(models: Iterable[str]) -> pd.DataFrame:
    """Return networks of these families that share one set of weights: method, family, top1, macs and num_params.

    Costs are the printed ones, counted by other rules than this project's, and NaN where none was printed.
    """
    table = pd.read_csv(TABLES / "weight_sharing_anchors.csv")
    families = {model.replace("_", "") for model in models}
    shared = table["family"].str.lower().isin(families) & ~table["method"].str.contains("retrained")
    table = table.loc[shared].reset_index(drop=True)
    return table.assign(macs=1e6 * table["madds_m"], num_params=1e6 * table["params_m"])


def _files() -> dict[str, list[Path]]:
    """Return the paths of the tables of each source."""
    files: dict[str, list[Path]] = {}
    for path in sorted(TABLES.glob("*.csv")):
        if match := re.match(r"(.+?)_(mobilenet|latency)", path.stem):
            files.setdefault(match[1], []).append(path)
    return files


def _read(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str), usecols=list(COLUMNS))
    return table.loc[:, list(COLUMNS)].fillna(dict.fromkeys(TEXT, ""))


def _summary(rows: pd.DataFrame) -> str:
    cells = rows.loc[rows["macs"].notna()].drop_duplicates(list(CELL))
    models = ", ".join(sorted(set(rows["model"])))
    return f"{models}: {counted(len(cells), 'network')}, {counted(len(rows['top1'].dropna()), 'top-1 figure')}"

"""Views of the experiment in the MLflow UI that open by a link, with their columns, order, filter and charts.

The UI stores a shared view as a tag of the experiment, in JSON, and the link to the view names the tag. This module
writes tags in the UI's own format.
"""

import json
from collections.abc import Mapping
from typing import Any

COLUMNS = (
    "metrics.`macs`",
    "metrics.`best_top1`",
    "metrics.`test_top1`",
    "metrics.`num_params`",
    "tags.`sweep`",
    "tags.`dataset`",
    "tags.`state`",
)
SCATTERED = ("macs", "num_params")
"""The costs against which `best_top1` is drawn, one chart each."""
SECTION = "cost"
VIEWS: Mapping[str, Mapping[str, Any]] = {
    "frontier": {
        "selectedColumns": COLUMNS,
        "searchFilter": 'tags.on_frontier = "yes"',
        "orderByKey": "metrics.`macs`",
        "orderByAsc": True,
    },
    "points": {
        "selectedColumns": COLUMNS,
        "searchFilter": 'tags.point != ""',  # parent runs have no point
        "orderByKey": "metrics.`best_top1`",
        "orderByAsc": False,
        "runsHiddenMode": "SHOW_ALL",  # instead of the first ten
        "compareRunSections": [
            {"uuid": SECTION, "name": "Accuracy against cost", "display": True, "isReordered": False}
        ],
        "compareRunCharts": [
            {
                "type": "SCATTER",
                "uuid": cost,
                "metricSectionId": SECTION,
                "deleted": False,
                "isGenerated": False,
                "xaxis": {"key": cost, "type": "METRIC"},
                "yaxis": {"key": "best_top1", "type": "METRIC"},
            }
            for cost in SCATTERED
        ],
    },
}


def view_tags() -> dict[str, str]:
    """Return the tags of the experiment that hold the views."""
    return {f"mlflow.sharedViewState.{name}": json.dumps(view) for name, view in VIEWS.items()}


def view_links(ui: str, experiment_id: str) -> dict[str, str]:
    """Return the address of each view in the MLflow UI at `ui`, by a description of the view."""
    runs = f"{ui}/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey="
    return {
        "the frontier of each sweep, as a table": f"{runs}frontier",
        "accuracy against cost": f"{runs}points&compareRunsMode=CHART",
    }

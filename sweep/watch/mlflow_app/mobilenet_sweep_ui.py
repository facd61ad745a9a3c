"""The app of `mlflow server`, which `--app-name mobilenet_sweep` finds by the entry point beside this file.

MLflow's pages ask for their user, whom only a server with accounts knows: each page would start with an error on the
browser's console.
"""

from mlflow.server import app as pages
from mlflow.server.fastapi_app import app

__all__ = ["app"]


@pages.get("/ajax-api/2.0/mlflow/users/current")
def nobody() -> dict[str, str]:
    """No user, of whom the pages then show nothing."""
    return {}

"""The app of `mlflow server`; `--app-name mobilenet_sweep` finds it by the entry point beside this file.

MLflow's pages request their user, which only a server with accounts knows. Without this app, each page would log an
error to the browser's console.
"""

from mlflow.server import app as pages
from mlflow.server.fastapi_app import app

__all__ = ["app"]


@pages.get("/ajax-api/2.0/mlflow/users/current")
def nobody() -> dict[str, str]:
    """Return no user, so that the pages show none."""
    return {}

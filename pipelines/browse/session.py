"""FiftyOne with a database of the project's own, bound to localhost, telling nobody.

The environment must be set before fiftyone is imported, so everything goes through :func:`fiftyone_module`.
"""

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from pipelines.browse.mongod import require

FOLDER = Path(".fiftyone")


def fiftyone_module(folder: Path = FOLDER) -> ModuleType:
    """Import fiftyone with its database and media below ``folder``.

    Raises ImportError naming the extra, or FileNotFoundError naming the command that brings a mongod.
    """
    home = folder.resolve()
    home.mkdir(parents=True, exist_ok=True)
    settings = {
        "FIFTYONE_DO_NOT_TRACK": "true",
        "FIFTYONE_DATABASE_DIR": str(home / "db"),
        "FIFTYONE_DATABASE_VALIDATION": "false",
        "FIFTYONE_CONFIG_PATH": str(home / "config.json"),
        "FIFTYONE_APP_CONFIG_PATH": str(home / "app_config.json"),
        "FIFTYONE_DEFAULT_DATASET_DIR": str(home / "datasets"),
        "FIFTYONE_DATASET_ZOO_DIR": str(home / "zoo"),
        "FIFTYONE_MODEL_ZOO_DIR": str(home / "models"),
        "FIFTYONE_PLUGINS_DIR": str(home / "plugins"),
        "FIFTYONE_DEFAULT_APP_ADDRESS": "localhost",
    }
    if "fiftyone" not in sys.modules:
        for name, value in settings.items():
            os.environ.setdefault(name, value)
        if not os.environ.get("FIFTYONE_DATABASE_URI"):
            _require_extra()
            require()
    try:
        import fiftyone
    except ModuleNotFoundError as error:
        raise ImportError(EXTRA) from error
    return fiftyone  # type: ignore[no-any-return]


EXTRA = "FiftyOne is not installed; browsing needs it: pip install 'cleanplate[browse]'"


def _require_extra() -> None:
    import importlib.util

    if importlib.util.find_spec("fiftyone") is None:
        raise ImportError(EXTRA)


def serve(dataset: Any, port: int, open_browser: bool) -> None:
    """Open the App on localhost and stay until the window is closed or Ctrl-C."""
    fo = fiftyone_module()
    session = fo.launch_app(dataset, port=port, address="localhost", remote=not open_browser)
    print(f"FiftyOne shows '{dataset.name}' at http://localhost:{port} (Ctrl-C ends it)", flush=True)
    try:
        session.wait(-1)
    except KeyboardInterrupt:
        session.close()

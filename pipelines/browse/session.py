"""FiftyOne with a database of the project's own, bound to localhost, telling nobody.

The environment must be set before fiftyone is imported, so everything goes through :func:`fiftyone_module`.
"""

import hashlib
import os
import shutil
import socket
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from pipelines.browse.mongod import require

FOLDER = Path(".fiftyone")
PLUGIN = Path(__file__).with_name("review_plugin")


def home() -> Path:
    """The folder of FiftyOne's database and of what else a project's sessions keep."""
    return FOLDER.resolve()


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
            return _with_own_mongod(home, require())
    try:
        import fiftyone
    except ModuleNotFoundError as error:
        raise ImportError(EXTRA) from error
    return fiftyone  # type: ignore[no-any-return]


def _with_own_mongod(home: Path, mongod: Path) -> ModuleType:
    """Import fiftyone such that it never joins the mongod of another project.

    It looks for a running one by a service's name, whatever folder that one serves, and would read and delete the
    datasets of another project. So the name tells the folder. It also looks for the program in its own package only,
    and would miss one on the PATH. FiftyOne connects on import unless services are
    disabled, and else at the first use: its own server does the same.
    """
    os.environ["FIFTYONE_DISABLE_SERVICES"] = "1"
    try:
        import fiftyone
        from fiftyone.core.service import DatabaseService
    except ModuleNotFoundError as error:
        raise ImportError(EXTRA) from error
    finally:
        del os.environ["FIFTYONE_DISABLE_SERVICES"]
    folder = hashlib.blake2b(os.fsencode(home), digest_size=8).hexdigest()
    DatabaseService.service_name = f"cleanplate-db-{folder}"
    DatabaseService.find_mongod = staticmethod(lambda: str(mongod))
    return fiftyone  # type: ignore[no-any-return]


def _require_port(port: int) -> None:
    """FiftyOne takes a server that it finds at the port for its own, whichever project that one shows."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise OSError(f"port {port} is taken, by another App perhaps; give another one with --port") from error


EXTRA = "FiftyOne is not installed; browsing needs it: pip install 'cleanplate[browse]'"


def _require_extra() -> None:
    import importlib.util

    if importlib.util.find_spec("fiftyone") is None:
        raise ImportError(EXTRA)


def dataset(name: str) -> Any:
    """Open a dataset that was loaded before. Raises ValueError naming the command that loads it."""
    fo = fiftyone_module()
    if not fo.dataset_exists(name):
        raise ValueError(f"FiftyOne holds no dataset '{name}' yet; 'cleanplate browse {name}' loads it")
    return fo.load_dataset(name)


def code_folder() -> Path:
    """What must be on the path for this code: the checkout, or the environment's packages."""
    return Path(__file__).resolve().parents[__name__.count(".")]


def install_plugin() -> Path:
    """Put the review plugin into FiftyOne's plugins folder and let the App's server find this code; returns where.

    A copy: FiftyOne follows no link out of the folder where it looks for an entry point.
    """
    fo = fiftyone_module()
    target = Path(fo.config.plugins_dir) / PLUGIN.name
    target.mkdir(parents=True, exist_ok=True)
    for file in ("__init__.py", "fiftyone.yml"):
        shutil.copyfile(PLUGIN / file, target / file)
    code = str(code_folder())
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    # The App's server is a process of its own, which inherits this.
    os.environ["PYTHONPATH"] = os.pathsep.join([code, *(path for path in known if path and path != code)])
    return target


def serve(dataset: Any, port: int, open_browser: bool) -> None:
    """Open the App on localhost and stay until the window is closed or Ctrl-C.

    Pictures that lie in shards come from a server at the next port (or any other, where that one is taken).
    """
    from pipelines.browse.bulk import rebase
    from pipelines.browse.media import Address, MediaServer, application
    from pipelines.browse.members import Pictures

    fo = fiftyone_module()
    _require_port(port)
    install_plugin()
    address = Address(home())
    with MediaServer(application(Pictures(Path("data")), address.token), port + 1) as media:
        if media.port != address.port:
            address.remember(media.port)
        for name in fo.list_datasets():
            rebase(fo.load_dataset(name), address.base)
        dataset.reload()
        session = fo.launch_app(dataset, port=port, address="localhost", remote=not open_browser)
        pictures = f", pictures from port {media.port}" if dataset.info.get("media") else ""
        print(f"FiftyOne shows '{dataset.name}' at http://localhost:{port}{pictures} (Ctrl-C ends it)", flush=True)
        try:
            session.wait(-1)
        except KeyboardInterrupt:
            session.close()

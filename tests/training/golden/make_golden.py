"""Makes the small golden files beside it from a folder with the measured outputs of the published implementations.

Run as ``python tests/training/golden/make_golden.py FOLDER``, where FOLDER holds ``networks.json``, ``networks.npz``,
``keys.json`` and ``metrics/``. It runs no network: of each output map it keeps every third pixel, from an offset that
differs from map to map, and the statistics of the whole map.
"""

import gzip
import json
import shutil
import sys
from pathlib import Path

import numpy as np

STEP = 3
HERE = Path(__file__).resolve().parent


def main(source: Path) -> None:
    arrays = np.load(source / "networks.npz")
    kept = {}
    for index, name in enumerate(sorted(arrays)):
        first = index % STEP
        kept[name] = arrays[name] if name.endswith("ref_sm") else arrays[name][:, :, first::STEP, first::STEP]
        kept[f"{name}.first"] = np.array(first)
    np.savez_compressed(HERE / "networks.npz", **kept)
    shutil.copyfile(source / "networks.json", HERE / "networks.json")
    keys = json.dumps(json.loads((source / "keys.json").read_text()), separators=(",", ":")).encode()
    (HERE / "keys.json.gz").write_bytes(gzip.compress(keys, mtime=0))
    (HERE / "metrics").mkdir(exist_ok=True)
    for path in sorted((source / "metrics").iterdir()):
        shutil.copyfile(path, HERE / "metrics" / path.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

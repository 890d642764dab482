"""Stage ``sample``: makes the miniature of both datasets, or notes that the real ones are used."""

import json
from pathlib import Path

from curation.identity import file_id, item_id
from curation.storage import writing
from pipelines.engine import worker_count
from pipelines.paths import SAMPLE
from pipelines.sample.places365 import write_places365
from pipelines.sample.videomatte import write_videomatte
from pipelines.stage import Stage, run

STAMP = Path("data/sample.json")
ABSENT = "The parameters point at real datasets (see paths.yaml); 'cleanplate use sample' brings the miniature back.\n"


def body(stage: Stage) -> None:
    """Make both halves in the work folder, then publish them and the stamp that later stages depend on."""
    made = stage.work.folder / "made"
    preset = stage.params.data.preset
    counts: dict[str, int] = {}
    if preset == "sample":
        counts = write_places365(made / "places365", stage.params.sample, worker_count())
        write_videomatte(made / "videomatte", stage.params.sample, worker_count())
    else:
        made.mkdir(parents=True, exist_ok=True)
        (made / "README.txt").write_text(ABSENT, encoding="utf-8")
    halves = ("places365", "videomatte", "README.txt")
    files = {
        file.relative_to(made).as_posix(): file
        for half in halves
        for file in sorted([made / half, *(made / half).rglob("*")])
        if file.is_file()
    }
    digest = item_id(*(part for name, file in files.items() for part in (name, file_id(file))))
    stamp = {"preset": preset, "backgrounds": counts, "files": len(files), "digest": digest}
    stage.work.link_tree(files, SAMPLE)
    with writing(stage.work.folder / STAMP.name) as temporary:
        temporary.write_text(json.dumps(stamp, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    stage.work.link_file(stage.work.folder / STAMP.name, STAMP)


if __name__ == "__main__":
    run("sample", body)

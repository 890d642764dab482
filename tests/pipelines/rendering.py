"""A project whose stage ``render`` is next, and the files it publishes."""

from pathlib import Path

from pipelines.presets import set_value, use
from tests.compositing.composite_world import make_world


def ready_to_render(project: Path) -> None:
    """Put raw data, frames and a plan into a bare project, a few composites a shard."""
    use("sample")
    set_value("render.samples_per_shard", 4)
    make_world(project / "data")
    (project / "data/sample").mkdir()
    (project / "data/places").rename(project / "data/sample/places365")
    (project / "data/sample/videomatte").mkdir()


def rendered() -> dict[str, bytes]:
    """Table and shards of the project in the working folder, by path."""
    found = [Path("data/shards.parquet"), *sorted(Path("data/shards").rglob("*.tar"))]
    return {path.as_posix(): path.read_bytes() for path in found}

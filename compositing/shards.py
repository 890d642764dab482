"""Tar or Parquet shards, written atomically, read by offset."""

from typing import Literal

from curation.config import Section


class RenderParams(Section):
    """Parameters of the ``render`` stage."""

    format: Literal["tar", "parquet"]
    """Container of the shards."""
    samples_per_shard: int
    """Composites in one shard."""
    fgr_quality: int
    """JPEG quality of the foreground label, 95 or more; it is stored with full colour resolution (4:4:4)."""

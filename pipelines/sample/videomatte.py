"""Writes the miniature of VideoMatte240K: moving drawn people with their exact alpha."""

from pathlib import Path

from pipelines.params import SampleParams


def write_videomatte(root: Path, params: SampleParams, workers: int) -> None:
    """Write ``root/{train,test}/{fgr,pha}/NNNN.mp4`` as the official release lays them out."""
    raise NotImplementedError

"""A folder and its layout -> a test set."""

from pathlib import Path
from typing import Literal, get_args

from training.testsets.mattes import ALPHAS, ENDINGS, FOREGROUNDS

Layout = Literal["folder", "rgba", "fg-alpha", "videomatte", "rvm"]
LAYOUTS: tuple[str, ...] = get_args(Layout)
COMPOSED = ("rgba", "fg-alpha", "videomatte")
"""The layouts of mattes alone, which are composited over photographs."""
EXPECTED = (
    "expected src/, bgr/ and pha/ (folder); com/, pha/ and bgr/ with a folder a clip (rvm); fg/ and alpha/ with "
    "pictures of the same name (fg-alpha); fgr/ and pha/ with videos or a folder a clip, in test/ or not (videomatte); "
    "or pictures with an alpha channel (rgba)"
)


def tell_layout(root: Path) -> str:
    """Tell a folder's layout by its names. Raises FileNotFoundError or ValueError saying what is expected."""
    if not root.is_dir():
        raise FileNotFoundError(f"'{root}' is not a folder; give the folder of a test set")
    inside = {each.name for each in root.iterdir() if each.is_dir()}
    if {"src", "pha"} <= inside:
        return "folder"
    if {"com", "pha"} <= inside:
        return "rvm"
    if "test" in inside and {"fgr", "pha"} <= {each.name for each in (root / "test").iterdir()}:
        return "videomatte"
    if {"fgr", "pha"} <= inside and not any(_pictures(root / "fgr")):
        return "videomatte"
    if any(name in inside for name in FOREGROUNDS) and any(name in inside for name in ALPHAS):
        return "fg-alpha"
    if any(file.suffix.lower() in ENDINGS for file in root.rglob("*")):
        return "rgba"
    raise ValueError(
        f"'{root}': no layout that is known here ({', '.join(sorted(inside)[:8]) or 'no folders'}); {EXPECTED}"
    )


def _pictures(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.suffix.lower() in (*ENDINGS, ".jpg", ".jpeg")]

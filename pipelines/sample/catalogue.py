"""Which backgrounds the sample holds: scenes under their official numbers, and what each slot is drawn as."""

from dataclasses import dataclass
from itertools import cycle, islice, zip_longest
from typing import Literal

from pipelines.sample.photographs import PHOTOGRAPHS

Hand = Literal["photograph", "room", "land", "town"]

SCENES: dict[str, tuple[int, bool]] = {
    "airfield": (0, False),
    "alley": (4, False),
    "art_gallery": (19, True),
    "beach": (48, False),
    "bedroom": (52, True),
    "botanical_garden": (62, False),
    "church/indoor": (90, True),
    "classroom": (92, True),
    "coffee_shop": (99, True),
    "corridor": (106, True),
    "courtyard": (109, False),
    "desert/sand": (116, False),
    "dining_room": (121, True),
    "downtown": (125, False),
    "field/wild": (141, False),
    "garage/indoor": (156, True),
    "kitchen": (203, True),
    "lake/natural": (205, False),
    "library/indoor": (212, True),
    "living_room": (215, True),
    "mountain": (232, False),
    "mountain_snowy": (233, False),
    "museum/indoor": (236, True),
    "office": (244, True),
    "pagoda": (251, False),
    "pet_shop": (261, True),
    "snowfield": (309, False),
    "street": (319, False),
    "tower": (334, False),
    "wheat_field": (359, False),
    "zen_garden": (364, False),
}
"""Scene -> its number in the official list of 365, and whether it is indoors. Some hold no image, as may happen."""

DRAWN: tuple[tuple[Hand, str], ...] = (
    ("room", "living_room"),
    ("land", "mountain"),
    ("town", "street"),
    ("room", "bedroom"),
    ("land", "lake/natural"),
    ("room", "office"),
    ("land", "beach"),
    ("room", "kitchen"),
    ("town", "downtown"),
    ("land", "field/wild"),
    ("room", "library/indoor"),
    ("land", "snowfield"),
    ("room", "corridor"),
    ("land", "wheat_field"),
    ("town", "alley"),
    ("room", "art_gallery"),
    ("land", "mountain_snowy"),
    ("room", "dining_room"),
    ("land", "desert/sand"),
    ("town", "courtyard"),
    ("room", "classroom"),
)
"""Drawn scenes in turn, so that any number of them is a mixture."""

SIZES = ((720, 540), (768, 576), (720, 540), (800, 600), (720, 540), (816, 544), (720, 540), (600, 800))
LARGE = ((1024, 768), (1080, 720))
"""Every ninth is larger."""


@dataclass(frozen=True)
class Slot:
    """One usable background."""

    hand: Hand
    """Who makes it."""
    scene: str
    """Places365 scene."""
    group: str
    """What the split goes by: crops of one photograph share it, each drawing has its own."""
    number: int
    """Crop of the photograph; 0 for drawings."""
    size: tuple[int, int]
    """Width and height of a drawing, pixels; a photograph keeps its own."""

    @property
    def stem(self) -> str:
        """File name without suffix."""
        return f"{self.group}_{self.number:02d}"

    @property
    def folder(self) -> str:
        """Folder in the official layout."""
        return folder_of(self.scene)


def folder_of(scene: str) -> str:
    """Folder of a scene in the official layout, such as ``data_large/l/library/indoor``."""
    return f"data_large/{scene[0]}/{scene}"


def slots(count: int) -> list[Slot]:
    """Plan ``count`` usable backgrounds: about a fifth photographs as long as there are any, the rest drawings."""
    crops = list(_photographs())[: count // 5]
    drawn = islice(cycle(DRAWN), count - len(crops))
    planned = list(crops)
    for ordinal, (hand, scene) in enumerate(drawn):
        size = SIZES[ordinal % len(SIZES)] if ordinal % 9 != 8 else LARGE[ordinal // 9 % len(LARGE)]
        planned.append(Slot(hand, scene, f"{hand}{ordinal:03d}", 0, size))
    return planned


def _photographs() -> list[Slot]:
    """Crops of the photographs, the first of each before the second of any."""
    columns = [
        [Slot("photograph", photograph.scene, name, number, (0, 0)) for number in range(len(photograph.crops))]
        for name, photograph in PHOTOGRAPHS.items()
    ]
    return [slot for row in zip_longest(*columns) for slot in row if slot is not None]


def categories() -> str:
    """The text of categories_places365.txt for these scenes, in the official format."""
    return "".join(f"/{scene[0]}/{scene} {number}\n" for scene, (number, _) in SCENES.items())


def indoor_list() -> str:
    """The text of IO_places365.txt for these scenes: 1 indoors, 2 outdoors, in the official format."""
    return "".join(f"/{scene[0]}/{scene} {1 if indoor else 2}\n" for scene, (_, indoor) in SCENES.items())

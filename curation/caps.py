"""How many backgrounds of a scene are kept, so that no scene outweighs the set."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.filters import Mask


def over_cap(images: pa.Table, kept: Mask, wanted: Mask, cap: int | None) -> Mask:
    """Tell which kept rows (N,) are too many for their scene: none where ``cap`` is None.

    What a human wants stays, and counts; of the rest the lowest content hashes stay, up to ``cap``. Not the sharpest or
    the largest: these would be other pictures than the scene's, and a hash has no taste. It has no part in the split
    either (which is another hash), so the splits keep their shares. Images without a scene are not capped.
    """
    over = np.zeros(len(kept), bool)
    if cap is None:
        return over
    scenes = images["scene"].dictionary_encode().combine_chunks().indices.fill_null(-1).to_numpy()
    rows = np.flatnonzero(kept & (scenes >= 0))
    ids = images["image_id"].take(pa.array(rows)).combine_chunks()
    rank = np.empty(len(rows), np.int64)
    rank[pc.sort_indices(ids).to_numpy()] = np.arange(len(rows))
    rows = rows[np.lexsort((rank, ~wanted[rows], scenes[rows]))]
    starts = np.flatnonzero(np.diff(scenes[rows], prepend=-1))
    within = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    over[rows] = (within >= cap) & ~wanted[rows]
    return over

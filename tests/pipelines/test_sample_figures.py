"""The matte half of the sample: drawn figures, their alpha, and the clips they are written to."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.params import SampleParams
from pipelines.sample import hairstyles, motion, textures
from pipelines.sample.figures import draw_figure
from pipelines.sample.raster import Camera, Depth, Strands, straighten
from pipelines.sample.render import Painter
from pipelines.sample.roster import TEST, TRAIN, recipe
from pipelines.sample.skeleton import Build, bend, solve, vector
from pipelines.sample.video import colour_planes, grey_planes, write_clip
from pipelines.sample.videomatte import RATE, SHUTTER, Clip, render_clip, write_videomatte

HEIGHT = 128


def params(**changes: int) -> SampleParams:
    known = {"seed": 7, "backgrounds": 1, "train_clips": 1, "test_clips": 1, "frames": 3, "height": 64}
    return SampleParams(**(known | changes))


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def decode(path: Path, pixels: str) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format=pixels) for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("first")
    write_videomatte(root, params(), 1)
    return root


def test_the_official_layout_is_written_and_nothing_else(written: Path) -> None:
    assert sorted(files(written)) == [f"{s}/{layer}/0000.mp4" for s in ("test", "train") for layer in ("fgr", "pha")]


def test_the_same_bytes_come_again_with_two_workers(written: Path, tmp_path: Path) -> None:
    write_videomatte(tmp_path, params(), 2)
    assert files(tmp_path) == files(written)


def test_fgr_and_pha_have_the_same_frames_and_carry_their_tags(written: Path) -> None:
    for split in ("train", "test"):
        seen = []
        for layer in ("fgr", "pha"):
            with av.open(str(written / split / layer / "0000.mp4")) as container:
                stream = container.streams.video[0]
                frames = list(container.decode(stream))
                seen.append((len(frames), stream.width, stream.height, stream.average_rate))
                assert (frames[0].color_range, frames[0].colorspace) == (1, 1)
        assert seen[0] == seen[1] == (3, 52, 64, RATE)


def test_another_seed_draws_another_person() -> None:
    first, second = (render_clip(Clip(seed, "train", 1, 1, 64))[0][0] for seed in (7, 8))
    assert not np.array_equal(first, second)


def test_an_odd_height_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"sample\.height: 63 is odd"):
        write_videomatte(tmp_path, params(height=63), 1)


@pytest.fixture(scope="module")
def hands_on_hips() -> tuple[np.ndarray, np.ndarray]:
    number = next(i for i, plan in enumerate(TRAIN) if plan.left is plan.right is motion.hip)
    return Painter(draw_figure(7, "train", number), 256, 320).frame(0.2, SHUTTER)


def test_alpha_is_whole_inside_clear_outside_and_soft_between(hands_on_hips: tuple[np.ndarray, np.ndarray]) -> None:
    _, pha = hands_on_hips
    soft = (pha > 0) & (pha < 1)
    assert (pha == 1).mean() > 0.05
    assert (pha == 0).mean() > 0.3
    assert 0.004 < soft.mean() < 0.2
    assert len(np.unique((pha[soft] * 255).astype(int))) > 100
    # No speckles: whatever lies a few pixels inside the outline is opaque.
    inside = cv2.erode(
        cv2.morphologyEx((pha > 0.5).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3))), np.ones((7, 7))
    )
    assert pha[inside > 0].min() > 0.95


def test_arms_on_the_hips_leave_holes(hands_on_hips: tuple[np.ndarray, np.ndarray]) -> None:
    _, pha = hands_on_hips
    count, labels, stats, _ = cv2.connectedComponentsWithStats((pha < 0.02).astype(np.uint8), connectivity=4)
    border = set(np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])))
    holes = [stats[i, cv2.CC_STAT_AREA] for i in range(1, count) if i not in border]
    assert sum(area > 40 for area in holes) >= 2


def test_hair_makes_strands_thinner_than_a_pixel() -> None:
    """Around the head, far from the solid mass, there is hair that never becomes opaque."""
    number = next(i for i, plan in enumerate(TEST) if plan.style is hairstyles.windblown)
    figure = draw_figure(7, "test", number)
    assert len(figure.strands[-1].width) > 2000
    assert np.median(figure.strands[-1].width) * figure.camera(256, 320).scale < 0.5
    _, pha = Painter(figure, 256, 320).frame(0.2, SHUTTER)
    near = cv2.dilate((pha > 0.9).astype(np.uint8), np.ones((5, 5))) > 0
    assert ((pha > 0.03) & ~near).sum() > 150


def test_a_fast_hand_is_blurred_and_a_short_shutter_freezes_it() -> None:
    number = next(i for i, plan in enumerate(TRAIN) if plan.left is motion.wave)
    painter = Painter(draw_figure(7, "train", number), 204, 256)
    soft = []
    for shutter in (SHUTTER, 1e-4):
        _, pha = max((painter.frame(t, shutter) for t in (0.0, 0.16, 0.32)), key=lambda pair: _soft_hand(pair[1]))
        soft.append(_soft_hand(pha))
    assert soft[0] > 1.2 * soft[1]


def _soft_hand(pha: np.ndarray) -> int:
    corner = pha[: pha.shape[0] // 3, : pha.shape[1] // 3]
    return int(((corner > 0.02) & (corner < 0.98)).sum())


def test_the_foreground_is_straight_and_valid_outside(hands_on_hips: tuple[np.ndarray, np.ndarray]) -> None:
    fgr, pha = hands_on_hips
    assert np.isfinite(fgr).all() and fgr.min() >= 0 and fgr.max() <= 1
    # Premultiplied colour would darken towards the outside of the edge.
    edge, solid = (pha > 0.05) & (pha < 0.3), pha > 0.95
    band = cv2.dilate(edge.astype(np.uint8), np.ones((7, 7))) > 0
    assert fgr[edge].mean() > 0.8 * fgr[solid & band].mean()
    assert fgr[pha == 0].mean() > 0.1


def test_test_families_are_never_seen_in_training() -> None:
    for name in ("style", "gait", "pattern", "left", "right"):
        train, test = ({getattr(plan, name) for plan in plans} - {None} for plans in (TRAIN, TEST))
        assert test and not train & test, name
    assert not set(hairstyles.TRAIN_STYLES) & set(hairstyles.TEST_STYLES)
    assert {plan.style for plan in TRAIN} <= set(hairstyles.TRAIN_STYLES)
    assert {plan.style for plan in TEST} <= set(hairstyles.TEST_STYLES)
    assert {plan.pattern for plan in TRAIN} <= set(textures.TRAIN_PATTERNS)
    assert {plan.pattern for plan in TEST} <= set(textures.TEST_PATTERNS)
    gestures = {plan.left for plan in TRAIN} | {plan.right for plan in TRAIN}
    assert gestures - {None} <= set(motion.TRAIN_GESTURES)
    assert not set(motion.TRAIN_GAITS) & set(motion.TEST_GAITS)


@given(st.integers(10, 200))
def test_more_clips_than_recipes_stay_in_their_families(number: int) -> None:
    plan = recipe("train", number)
    assert plan.style in hairstyles.TRAIN_STYLES and plan.pattern in textures.TRAIN_PATTERNS
    assert recipe("test", number).style in hairstyles.TEST_STYLES


@settings(max_examples=40)
@given(st.floats(0, 1), st.floats(0, 3), st.sampled_from(TRAIN + TEST))
def test_bones_keep_their_lengths_in_every_pose(phase: float, time: float, plan: object) -> None:
    pose = motion.Motion(plan.gait, plan.left, plan.right, phase).pose(time)  # type: ignore[attr-defined]
    found = solve(pose, Build(stature=1.75))
    for limb in found.arms:
        assert np.linalg.norm(limb.middle - limb.root) == pytest.approx(0.288, abs=1e-4)
        assert np.linalg.norm(limb.end - limb.middle) == pytest.approx(0.252, abs=1e-4)
    for limb in found.legs:
        assert np.linalg.norm(limb.middle - limb.root) == pytest.approx(0.425, abs=1e-4)


def test_a_target_out_of_reach_stretches_the_limb_towards_it() -> None:
    limb = bend(vector(0, 0, 0), vector(5, 0, 0), 0.3, 0.25, vector(0, 0, 1))
    assert limb.end == pytest.approx([0.55, 0, 0], abs=2e-3)


def test_the_nearer_point_wins_whatever_comes_first() -> None:
    points = np.array([[1.2, 1.7, 0.3], [1.9, 1.1, 0.5]], np.float32)
    for order in ([0, 1], [1, 0]):
        depth = Depth(4, 4)
        depth.add(points[order], np.array(order), whole=True)
        assert depth.index[1, 1] == 1
        assert depth.nearest[1, 1] == pytest.approx(0.5, abs=1e-3)
        assert (depth.index >= 0).sum() == 1


def test_a_single_missed_sample_is_closed_and_an_outline_is_not_moved() -> None:
    depth = Depth(9, 9)
    y, x = np.mgrid[2:7, 2:7]
    chosen = np.flatnonzero((y != 4) | (x != 4))
    points = np.stack([x.ravel() + 0.5, y.ravel() + 0.5, np.zeros(25)], -1).astype(np.float32)
    depth.add(points[chosen], chosen, whole=True)
    depth.close()
    covered = depth.index >= 0
    assert covered.sum() == 25 and covered[2:7, 2:7].all()


@given(st.floats(2, 28), st.floats(2, 28), st.floats(0.01, 0.6))
def test_a_strand_point_adds_exactly_its_area(x: float, y: float, area: float) -> None:
    strands = Strands(32, 32, (0, 0, 32, 32))
    values = (np.array([v], np.float32) for v in (x, y))
    strands.add(*values, np.array([0]), np.array([area], np.float32), np.ones((1, 3), np.float32))
    colour, alpha = strands.over(np.zeros((32, 32, 3), np.float32), np.zeros((32, 32), np.float32))
    covered = -np.log(1 - alpha.astype(np.float64)).sum() / 1.15
    assert covered == pytest.approx(area, rel=1e-3)
    assert colour.sum() == pytest.approx(3 * alpha.sum(), rel=1e-4)


def test_straightening_recovers_a_flat_colour_everywhere() -> None:
    alpha = cv2.GaussianBlur(np.pad(np.ones((20, 20), np.float32), 22), (0, 0), 3)
    alpha[alpha < 0.02] = 0
    flat = np.array([0.8, 0.3, 0.1], np.float32)
    assert straighten(alpha[..., None] * flat, alpha) == pytest.approx(np.broadcast_to(flat, (64, 64, 3)), abs=0.01)


def test_nearer_points_are_shown_larger() -> None:
    camera = Camera(100, 100, 50, (0, 0))
    near, far = camera.project(np.array([[0.5, 0, 0.5], [0.5, 0, -0.5]], np.float32))
    assert near[0] > far[0] > 50


def test_grey_survives_the_limited_range_of_video(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    write_clip(tmp_path / "ramp.mp4", [grey_planes(ramp)] * 2, 25, 4)
    luma = decode(tmp_path / "ramp.mp4", "yuv420p")[0][:64].astype(np.float32)
    assert luma.min() >= 15 and luma.max() <= 236
    assert np.abs((luma - 16) * 255 / 219 - ramp).max() < 4


def test_colours_survive_the_way_through_video(tmp_path: Path) -> None:
    patches = np.array(
        [[200, 40, 30], [40, 160, 60], [30, 60, 190], [128, 128, 128], [255, 255, 255], [0, 0, 0]], np.uint8
    )
    image = np.repeat(np.repeat(patches[None], 32, 0), 32, 1)
    write_clip(tmp_path / "patches.mp4", [colour_planes(image)], 25, 10)
    seen = decode(tmp_path / "patches.mp4", "rgb24")[0]
    assert np.abs(seen[16, 16::32].astype(int) - patches).max() <= 6

"""A recipe in words: what was drawn for one composite, step by step, without what is neutral."""

import math
from collections.abc import Mapping
from typing import Any

Recipe = Mapping[str, Any]


def describe(recipe: Recipe) -> list[tuple[str, str]]:
    """Tell a plan row as (step, sentence); steps at which nothing happens are left out."""
    steps = [
        (
            "composite",
            f"{recipe['composite_id']}, {recipe['set']} {recipe['ordinal']}, {recipe['strength']}{_case(recipe)}",
        ),
        (
            "made of",
            f"{recipe['clip']} frame {recipe['frame']} over {recipe['locator']} ({recipe['scene'] or 'a scene'})",
        ),
        ("scene", _scene(recipe)),
        ("subject", "nobody is there" if recipe["empty"] else _subject(recipe)),
        ("source only", _source(recipe)),
        ("plate of", _wrong(recipe)),
        ("plate moved", _moved(recipe)),
        ("plate exposed", _exposed(recipe)),
        ("sensor", _sensor(recipe)),
        ("codec", _codec(recipe)),
    ]
    return [(name, words) for name, words in steps if words]


def _case(r: Recipe) -> str:
    return f", {r['case'].replace('_', ' ')}" if r["case"] else ""


def _wrong(r: Recipe) -> str:
    return f"another scene: {r['plate_locator']}" if r["plate_locator"] else ""


def _codec(r: Recipe) -> str:
    return _joined(
        f"video, H.264 at rate factor {r['video']}" if r["video"] else "",
        f"JPEG {r['src_quality']} (source), {r['bgr_quality']} (plate)",
    )


def _scene(r: Recipe) -> str:
    return _joined(
        f"{r['crop_w']:.0f} x {r['crop_h']:.0f} of the photograph at ({r['crop_x']:.0f}, {r['crop_y']:.0f}) "
        f"to {r['width']} x {r['height']}",
        "mirrored" if r["bgr_flip"] else "",
        f"exposure {r['bgr_exposure']:+.2f} stops, contrast {r['bgr_contrast']:.2f}, "
        f"saturation {r['bgr_saturation']:.2f}",
    )


def _subject(r: Recipe) -> str:
    return _joined(
        "an object, no person" if r["object"] else "",
        f"{r['fgr_scale']:.2f} of its size at ({r['fgr_x']:.0f}, {r['fgr_y']:.0f})",
        "mirrored" if r["fgr_flip"] else "",
        f"turned {r['fgr_rotate']:+.1f}°, sheared {r['fgr_shear']:+.1f}°",
        f"exposure {r['fgr_exposure']:+.2f} stops, contrast {r['fgr_contrast']:.2f}, "
        f"saturation {r['fgr_saturation']:.2f}, warmth {r['fgr_warmth']:+.2f}",
        f"matched to the scene {r['match']:.0%}" if r["match"] else "",
        f"clothes of the background's colour {r['camouflage']:.0%}" if r["camouflage"] else "",
        f"green taken out {r['despill']:.0%}" if r["despill"] else "",
        f"defocus {r['blur']:.1f} px" if r["blur"] else "",
        f"moved {r['motion']:.1f} px" if r["motion"] else "",
        f"mixed in {r['space']} values" if r["space"] != "linear" else "",
    )


def _source(r: Recipe) -> str:
    return _joined(
        f"focus {r['focus']:+.2f} px" if r["focus"] else "",
        f"a thing of {r['change_w']:.0%} x {r['change_h']:.0%} changed, {r['change_gain']:+.2f} stops"
        if r["change_w"]
        else "",
        f"shadow {r['shadow_strength']:.2f}" if r["shadow_strength"] else "",
        f"contact shadow {r['contact_strength']:.2f}" if r["contact_strength"] else "",
        f"light uneven by {r['shading']:.2f} stops" if r["shading"] else "",
        f"exposure follows the subject {r['metering']:.0%}, colour {r['metering_colour']:.0%}"
        if r["metering"] or r["metering_colour"]
        else "",
        f"shaken {r['shake']:.1f} px" if r["shake"] else "",
    )


def _moved(r: Recipe) -> str:
    length = math.hypot(r["shift_x"], r["shift_y"])
    return _joined(
        f"by {length:.2f} px ({r['shift_x']:+.2f}, {r['shift_y']:+.2f})" if length else "",
        f"turned {r['shift_rotate']:+.3f}°" if r["shift_rotate"] else "",
        f"scaled {r['shift_scale'] * r['breathing']:.4f}" if r["shift_scale"] * r["breathing"] != 1 else "",
        f"tilted {math.hypot(r['tilt_x'], r['tilt_y']):.2f} px" if r["tilt_x"] or r["tilt_y"] else "",
        f"parallax {math.hypot(r['parallax_x'], r['parallax_y']):.2f} px" if r["parallax_x"] or r["parallax_y"] else "",
        f"defocus {r['bgr_blur']:.2f} px" if r["bgr_blur"] else "",
    )


def _exposed(r: Recipe) -> str:
    return _joined(
        f"{r['gain']:+.2f} stops" if r["gain"] else "",
        f"red {r['gain_red']:+.3f}, blue {r['gain_blue']:+.3f} stops" if r["gain_red"] or r["gain_blue"] else "",
        f"gamma {r['gamma']:.2f}" if r["gamma"] != 1 else "",
    )


def _sensor(r: Recipe) -> str:
    return _joined(
        f"noise {255 * r['src_noise']:.1f} / {255 * r['bgr_noise']:.1f} levels at mid grey",
        f"neighbours {r['src_correlation']:.2f} / {r['bgr_correlation']:.2f}",
        f"sharpened {r['src_sharpen']:.2f} / {r['bgr_sharpen']:.2f}" if r["src_sharpen"] or r["bgr_sharpen"] else "",
        f"S-curve {r['tone']:.2f}" if r["tone"] else "",
    )


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)

"""The judging of whole columns against one that takes a row after another and compares all pairs."""

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.decisions import Decision
from curation.filters import CurateParams, judge_row
from curation.identity import content_id
from curation.judging import judge, split_of
from curation.presence import people_columns
from curation.tables import IMAGES, PEOPLE
from pipelines.params import load

FIELDS = ("kept", "reason", "split", "duplicate_of", "decision")
SEEN = {"dataset": "places365", "role": "verdict", "floor": 0.1, "ceiling": 1.0, "status": "ok"}


def reference(
    images: pa.Table, people: pa.Table, decisions: dict[str, Decision], params: CurateParams
) -> list[tuple[Any, ...]]:
    columns = people_columns(images, people, params)
    rows = [row | {key: values[k] for key, values in columns.items()} for k, row in enumerate(images.to_pylist())]
    for row in rows:
        verdict, wish = judge_row(row, params), decisions.get(row["image_id"])
        row["split"] = split_of(row["image_id"], row["group"], params)
        row["wish"], row["against"] = wish, None if verdict.kept else verdict.reason
        row["wanted"] = bool(wish and wish.decision == "keep" and row["status"] == "ok")
        row["kept"] = (verdict.kept or row["wanted"]) and not (wish and wish.decision == "reject")
        row["duplicate_of"] = None
    ranked = sorted(
        (row for row in rows if row["kept"]),
        key=lambda row: (not row["wanted"], -row["width"] * row["height"], -row["sharpness"], row["locator"]),
    )

    def apart(a: dict[str, Any], b: dict[str, Any]) -> int:
        return (a["phash"] ^ b["phash"]).bit_count()

    # All with one hash stand or fall together with the best of them; only bests are set against bests.
    heads = [row for k, row in enumerate(ranked) if all(row["phash"] != other["phash"] for other in ranked[:k])]
    stand: dict[int, dict[str, Any]] = {}
    for head in heads:
        near = (o for o in heads if stand.get(o["phash"]) is o and apart(head, o) <= params.duplicate_distance)
        stand[head["phash"]] = next(near, head)
    lost = [row for row in ranked if stand[row["phash"]] is not row]
    stays = [row for row in ranked if stand[row["phash"]] is row]
    for row in lost:
        best = stand[row["phash"]]
        words = f"duplicate: {apart(row, best)} of 64 bits from {best['locator']}"
        if row["image_id"] == best["image_id"]:
            words = f"duplicate: a copy of {best['locator']}"
        elif row["split"] != best["split"]:
            words = words.replace("duplicate: ", "split: ")
            words += f", which is kept in {best['split']}, while this one falls into {row['split']}"
        near = [other for other in stays if apart(row, other) <= params.duplicate_distance]
        if row["wanted"] and not any(o["image_id"] == row["image_id"] or o["split"] != row["split"] for o in near):
            stays.append(row)
            row["against"] = row["against"] or words
        else:
            words += "; a decision to keep does not go over this" if row["wanted"] else ""
            row |= {"kept": False, "against": words, "duplicate_of": best["locator"]}
    counts: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: (not row["wanted"], row["image_id"] or "", row["locator"])):
        if row["kept"] and row["scene"] is not None and params.scene_cap is not None:
            counts[row["scene"]] = counts.get(row["scene"], 0) + 1
            if counts[row["scene"]] > params.scene_cap and not row["wanted"]:
                words = f"scene_cap: {params.scene_cap} of {row['scene']} are kept already"
                row |= {"kept": False, "against": words}
    found = []
    for row in rows:
        wish, reason = row["wish"], row["against"]
        if wish and wish.decision == "reject":
            reason = "decision: rejected by ana"
        elif wish and row["kept"]:
            reason = "decision: kept by ana" + (f", over {reason}" if reason else "")
        found.append((row["kept"], reason or "ok", row["split"], row["duplicate_of"], wish and wish.decision))
    return found


def draw_row(data: st.DataObject, number: int) -> dict[str, Any]:
    def one(*values: Any) -> Any:
        return data.draw(st.sampled_from(values))

    content = content_id(str(one(*range(40))).encode())
    row = {"dataset": "places365", "locator": f"{number:02d}", "image_id": content, "group": one(None, None, "g", "h")}
    row |= {"scene": one(None, "barn", "attic"), "width": one(150, 640, 800), "height": one(480, 640)}
    row |= {"sharpness": one(10.0, 100.0, 200.0), "luma_mean": one(0.01, 0.5, 0.5), "luma_spread": one(0.01, 0.2, 0.2)}
    row |= {"clipped": one(0.0, 0.0, 0.9), "chroma": one(0.0, 0.5, 0.5), "border": one(0.0, 0.0, 0.2), "drawn": 0.1}
    row |= {"phash": one(0, 1, 7, 255, 1023, 2**63 + 1, 2**64 - 1), "status": "ok"}
    if one(*range(8)) == 0:
        measured = dict.fromkeys(("width", "height", "sharpness", "luma_mean", "luma_spread", "clipped", "phash"))
        row |= measured | dict.fromkeys(("chroma", "border", "drawn")) | {"status": "truncated: x"}
        row["image_id"] = one(None, content)
    return row


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_columns_give_what_row_by_row_gives(data: st.DataObject) -> None:
    rows = [draw_row(data, number) for number in range(data.draw(st.integers(1, 25)))]
    images = pa.Table.from_pylist([dict.fromkeys(IMAGES.columns) | row for row in rows], schema=IMAGES.schema)
    looks = []
    for row in rows:
        score = data.draw(st.sampled_from([None, None, 0.3, 0.9]))
        box = dict.fromkeys(("x", "y", "w", "h"), None if score is None else 0.25) | {"score": score}
        looks.append(dict.fromkeys(PEOPLE.columns) | SEEN | {"locator": row["locator"]} | box)
    people = pa.Table.from_pylist(looks, schema=PEOPLE.schema)
    ids = sorted({row["image_id"] for row in rows if row["image_id"]})
    choices = {each: data.draw(st.sampled_from([None, None, "keep", "reject"])) for each in ids}
    decisions = {each: Decision(each, choice, "ana", "") for each, choice in choices.items() if choice}
    cap = data.draw(st.sampled_from([None, 1, 3]))
    params = load().curate.model_copy(update={"scene_cap": cap, "valid_share": 0.3, "test_share": 0.3})
    found = judge(images, people, decisions, params).select(FIELDS).to_pylist()
    assert [tuple(row[name] for name in FIELDS) for row in found] == reference(images, people, decisions, params)

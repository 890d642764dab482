"""The review plugin: FiftyOne loads it from its plugins folder, where :mod:`pipelines.browse.session` puts it."""

from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from pipelines.browse.labels import DRAWN
from pipelines.browse.marks import Step, put, undo

GRID, OPENED = types.Places.SAMPLES_GRID_ACTIONS, types.Places.SAMPLES_VIEWER_ACTIONS


def told(step: Step) -> str:
    """What a step did, in a line: ``2 images rejected (3 samples: copies go together)``."""
    line = f"{step.images:,} image{'' if step.images == 1 else 's'} {step.words}"
    if step.samples > step.images:
        line += f" ({step.samples:,} samples: copies go together)"
    if step.unknown:
        line += f"; {step.unknown:,} could not be read and cannot be marked"
    return line


class _Button(foo.Operator):  # type: ignore[misc]
    name_, label, icon, place, prompt = "", "", "", GRID, False

    @property
    def config(self) -> Any:
        return foo.OperatorConfig(
            name=self.name_,
            label=self.label,
            description=self.__doc__,
            icon=self.icon,
            unlisted=self.place is OPENED,
            view_target=False,
        )

    def resolve_placement(self, ctx: Any) -> Any:
        """A button that says what it does: the App shows an icon in place of words where it is given one.

        None on other datasets: composites are not reviewed.
        """
        if not ctx.dataset.has_field("pulled"):
            return None
        return types.Placement(self.place, types.Button(label=self.label, prompt=self.prompt))

    def finish(self, ctx: Any, message: str, variant: str) -> dict[str, str]:
        # 'reload_samples' leaves the grid's cached samples as they were, tags and all (1.22).
        if variant == "success":
            ctx.ops.reload_dataset()
        ctx.ops.notify(message, variant=variant)
        return {"message": message}


class _Mark(_Button):
    kind, mark, words = "decision", "", ""

    def execute(self, ctx: Any) -> dict[str, str]:
        ids = _aimed_at(ctx)
        if not ids:
            return self.finish(ctx, f"Select the images to be {self.words}, or open one", "warning")
        note = str(ctx.params.get("note") or "").strip()
        try:
            step = put(ctx.dataset, ids, self.kind, self.mark, note, self.words)
        except ValueError as error:
            return self.finish(ctx, str(error), "error")
        if not ctx.current_sample:
            ctx.ops.clear_selected_samples()
        return self.finish(ctx, told(step), "success" if step.images else "warning")

    def resolve_input(self, ctx: Any) -> Any:
        form = types.Object()
        if self.kind == "decision":
            form.str("note", label="Note", description="Why; it goes into decisions.csv", required=False)
        count = len(_aimed_at(ctx))
        if not count:
            form.bool(
                "whole_view",
                label=f"All {len(ctx.view):,} samples of this view",
                description="Nothing is selected",
                default=False,
            )
        title = f"{self.label}: {count:,} selected" if count else f"{self.label}: nothing selected"
        return types.Property(form, view=types.View(label=title))


def _aimed_at(ctx: Any) -> list[str]:
    """Sample ids: the one that is open, else those selected, else the whole view where that was asked for."""
    from fiftyone.core.patches import PatchesView

    found = [ctx.current_sample] if ctx.current_sample else list(ctx.selected)
    if not found and ctx.params.get("whole_view") is True:
        found = ctx.view.values("id")
    if found and isinstance(ctx.view, PatchesView):
        found = ctx.view.select(found).distinct("sample_id")
    return [str(sample) for sample in found]


class Keep(_Mark):
    """Keep the selected images, whatever the filters say."""

    name_, label, icon, mark, words = "keep", "Keep", "check_circle", "keep", "kept"


class Reject(_Mark):
    """Reject the selected images, whatever the filters say."""

    name_, label, icon, mark, words = "reject", "Reject", "block", "reject", "rejected"


class RejectWithNote(Reject):
    """Reject the selected images (or all of the view) and say why."""

    name_, label, icon, prompt = "reject_with_note", "Reject …", "edit_note", True


class KeepThis(Keep):
    """Keep the open image."""

    name_, place = "keep_this", OPENED


class RejectThis(Reject):
    """Reject the open image."""

    name_, place = "reject_this", OPENED


class _Label(_Mark):
    kind = "label"

    def resolve_placement(self, ctx: Any) -> Any:
        """No button where no sample was drawn to be labelled: the row is short."""
        return super().resolve_placement(ctx) if ctx.dataset.info.get(DRAWN) else None


class LabelPerson(_Label):
    """Label for the audit: somebody is in the picture."""

    name_, label, icon, mark, words = "label_person", "Person", "person", "person", "labelled: a person"


class LabelNobody(_Label):
    """Label for the audit: nobody is in the picture."""

    name_, label, icon, mark, words = "label_nobody", "Nobody", "person_off", "nobody", "labelled: nobody"


class PersonHere(LabelPerson):
    """Label the open image: somebody is in it."""

    name_, place = "label_person_here", OPENED


class NobodyHere(LabelNobody):
    """Label the open image: nobody is in it."""

    name_, place = "label_nobody_here", OPENED


class Undo(_Button):
    """Take back the last step of the review; again, the one before."""

    name_, label, icon = "undo", "Undo", "undo"

    def execute(self, ctx: Any) -> dict[str, str]:
        """Undo, and tell what was undone."""
        step = undo(ctx.dataset)
        if step is None:
            return self.finish(ctx, "Nothing to undo", "info")
        return self.finish(ctx, f"Undone: {told(step)}", "success")


class UndoHere(Undo):
    """Take back the last step of the review, from an open image."""

    name_, place = "undo_here", OPENED


def register(plugin: Any) -> None:
    """Register the operators; FiftyOne calls it."""
    for operator in (Keep, Reject, Undo, LabelPerson, LabelNobody, RejectWithNote):
        plugin.register(operator)
    for operator in (KeepThis, RejectThis, UndoHere, PersonHere, NobodyHere):
        plugin.register(operator)

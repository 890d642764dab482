"""``cleanplate explain``: the docstring under each parameter, with its value."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from pipelines.params import load


def explain(section: str | None) -> Iterator[tuple[str, Any, str]]:
    """Yield (key, value, meaning) of every parameter below ``section``, or of all.

    Raises ValueError naming the sections where there is no such one.
    """
    params = load()
    rows = [row for row in _walk(params, "") if section is None or f"{row[0]}.".startswith(f"{section}.")]
    if not rows:
        raise ValueError(f"params.yaml has no '{section}'; its sections are {', '.join(type(params).model_fields)}")
    yield from rows


def _walk(model: BaseModel, prefix: str) -> Iterator[tuple[str, Any, str]]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        key = f"{prefix}{name}"
        if isinstance(value, BaseModel):
            yield from _walk(value, f"{key}.")
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for place, member in enumerate(value):
                yield from _walk(member, f"{key}.{place}.")
        else:
            yield key, value, " ".join((field.description or "").split())

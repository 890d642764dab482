"""The model card: Markdown with metadata on top, in the form that model hubs read.

The metadata follows the specification of Hugging Face's hub (huggingface/hub-docs, modelcard.md): ``license``,
``tags``, ``datasets``, ``library_name`` and ``model-index``, whose results hold task, dataset, metrics and source.
"""

import io
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from pipelines.page import provenance, template
from pipelines.page.inputs.sources import Source
from pipelines.page.results.metrics import MODEL, Metrics
from pipelines.params import Params

if TYPE_CHECKING:
    from markupsafe import Markup

TASK = {"type": "image-segmentation", "name": "Background matting"}
MEASURES = {
    "mad": "MAD x 1000, whole image",
    "mse": "MSE x 1000, whole image",
    "grad": "Gradient error / 1000, whole image",
    "conn": "Connectivity error / 1000, whole image",
    "dtssd": "dtSSD x 100",
}
"""Measures that the metadata holds, where they were measured."""
REPORT = "report.html"
MARKS = re.compile(r"([\\`*_\[\]|#~])")


def text(params: Params, metrics: Metrics, shared: Mapping[str, Any]) -> str:
    """Return the card. ``shared``: what it has in common with the page, see :func:`pipelines.page.build.pages`."""
    from markupsafe import Markup

    data = shared["data"]
    card = template.fill(
        "model_card.md.j2",
        **{name: shared[name] for name in ("preset", "model", "hashes", "commit", "environment")},
        front=Markup(_yaml(front_matter(params, metrics, data["sources"], data["licences"].identifier))),
        name=model_name(params),
        # Everything that came as data is text to a Markdown reader, too.
        told=[plain(line) for line in shared["worth"]["told"]],
        rows=[{key: plain(value) for key, value in row.items()} for row in shared["worth"]["rows"]],
        intervals=plain(shared["worth"]["intervals"]),
        first=[plain(line) for line in shared["first"]],
        sources=[[plain(value) for value in source] for source in data["sources"]],
        licence=plain(data["licences"].told),
        restricted=[plain(terms) for terms in data["licences"].restricted],
        counts=[(plain(key), plain(value)) for key, value in data["counts"]],
        backbone=params.train_refine.backbone,
        scale=params.train_refine.backbone_scale,
        exports=[[plain(value) for value in row] for row in (shared["exports"] or {"rows": []})["rows"]],
        training=[("base", params.train_base), ("refine", params.train_refine)],
    )
    return re.sub(r"\n{3,}", "\n\n", card)


def front_matter(params: Params, metrics: Metrics, sources: Iterable[Source], licence: str) -> dict[str, Any]:
    """Return the metadata as plain values, in the order in which it is written."""
    repository = provenance.repository()
    terms: dict[str, Any] = {"license": licence}
    if licence == "other":
        terms["license_name"] = "terms-of-the-training-data"
        if repository:
            terms["license_link"] = repository
    results = _results(params, metrics, repository or REPORT)
    return {
        **terms,
        "library_name": "cleanplate",
        "pipeline_tag": TASK["type"],
        "tags": ["background-matting", "image-matting", "video-matting", "alpha-matte"],
        "datasets": sorted({_slug(source.origin.split(",")[0]) for source in sources}),
        "metrics": sorted({metric["type"] for result in results for metric in result["metrics"]}),
        "model-index": [{"name": model_name(params), "results": results}],
    }


def model_name(params: Params) -> str:
    """Name the model after its encoder, and after the sample where it learnt from that alone."""
    return f"cleanplate-{params.train_refine.backbone}" + ("-sample" if params.data.preset == "sample" else "")


def _results(params: Params, metrics: Metrics, address: str) -> list[dict[str, Any]]:
    source = {"name": "Cleanplate, stage evaluate", "url": address}
    found = []
    for name, part in metrics.sets.items():
        kind = "real mattes" if part.get("real") else "not real"
        dataset = {"type": _slug(name), "name": f"{name} ({kind})", "split": "test"}
        found.append((dataset, part["methods"]))
    origin = "the drawn sample" if params.data.preset == "sample" else "composites"
    for strength, methods in metrics.test.items():
        dataset = {
            "type": "cleanplate-test",
            "name": f"Cleanplate test set, {strength} ({origin})",
            "config": strength,
            "split": "test",
        }
        found.append((dataset, methods))
    results = []
    for dataset, methods in found:
        values = methods.get(MODEL, {})
        measured = [
            {"type": key, "name": words, "value": values[key]}
            for key, words in MEASURES.items()
            if values.get(key) is not None
        ]
        if measured:
            results.append({"task": dict(TASK), "dataset": dataset, "metrics": measured, "source": dict(source)})
    return results


def plain(value: object) -> "Markup":
    """Escape what Markdown would read as marks or as HTML; a line of a table stays one line."""
    from markupsafe import Markup

    line = "" if value is None else MARKS.sub(r"\\\1", " ".join(str(value).split()))
    return Markup(escape(line, quote=False))


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-.") or "unnamed"


def _yaml(values: Mapping[str, Any]) -> str:
    stream = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.dump(values, stream)
    return stream.getvalue()

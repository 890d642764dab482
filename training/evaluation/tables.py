"""The schema of the evaluation table; written and read by ``curation.tables``."""

import pyarrow as pa

from curation.tables import Table

METHODS = ("classical", "base", "refine", "refine_coarse")
"""The methods that are always there; others may follow them."""

MEASURES = {
    "mad": "mean absolute difference of alpha over the whole image, x 1000",
    "mse": "mean squared difference of alpha over the whole image, x 1000",
    "grad": "gradient error over the whole image, / 1000",
    "conn": "connectivity error over the whole image, / 1000",
    "mad_zero": "MAD x 1000 where true alpha is 0; null where nothing is",
    "mad_soft": "MAD x 1000 where true alpha is between 0 and 1; null where nothing is",
    "mad_one": "MAD x 1000 where true alpha is 1; null where nothing is",
    "sad_unknown": "absolute difference of alpha in the trimap's unknown region, summed, / 1000; null without one",
    "mad_unknown": "mean absolute difference there, x 1000",
    "mse_unknown": "mean squared difference there, x 1000",
    "grad_unknown": "gradient error there, summed",
    "conn_unknown": "connectivity error there, summed",
    "fgr_mad": "mean absolute difference of the foreground's colour where true alpha is above 0, x 1000; null without",
    "fgr_mse": "mean squared difference of the foreground's colour there, x 1000; null without",
    "dtssd": "flicker against the frame before, x 100; null where the frame before is not in the set",
}

EVALUATION = Table(
    name="evaluation",
    version=3,
    key=("set", "strength", "ordinal", "method"),
    columns={
        "set": (pa.string(), "test: the frozen test set; else a set of evaluate.sets"),
        "composite_id": (pa.string(), "the plan's row; SET/NAME for samples that were not rendered here"),
        "ordinal": (pa.int64(), "position in the test set"),
        "strength": (
            pa.string(),
            "perturbation of the captured background: exact, mild or hard; cases; captured: as a camera took it",
        ),
        "case": (pa.string(), "which hard case, see plan; null at the other strengths"),
        "method": (pa.string(), "classical, base, refine, refine_coarse or another; see training.evaluation.choosing"),
        **{name: (pa.float64(), words) for name, words in MEASURES.items()},
        "coverage": (pa.float64(), "mean of the true alpha, 0 to 1"),
        "soft": (pa.float64(), "share of pixels with true alpha between 0 and 1"),
        "colour_distance": (
            pa.float64(),
            "mean CIELAB distance of the subject from the captured background right behind it; null where nobody is",
        ),
        "motion": (pa.float64(), "length of the subject's movement during the exposure, pixels; null where unknown"),
        "scene": (pa.string(), "scene of the background; null where unknown"),
        "indoor": (pa.bool_(), "indoor or outdoor; null where unknown"),
        "clip": (pa.string(), "the matte's clip; null where unknown"),
        "frame": (pa.int32(), "the matte's frame number; null where unknown"),
    },
)

ROBUSTNESS = Table(
    name="robustness",
    version=1,
    key=("kind", "name", "value", "ordinal", "method"),
    columns={
        "kind": (pa.string(), "curve: a point of a robustness curve; probe: a sample with a trap"),
        "name": (pa.string(), "which; see training.evaluation.robustness and probes"),
        "value": (pa.float64(), "where on the curve, in its unit; 0 for a probe"),
        "composite_id": (pa.string(), "the plan's row"),
        "ordinal": (pa.int64(), "position in the test set"),
        "method": (pa.string(), "as in the evaluation table; difference: a plain difference of colours"),
        "mad": (
            pa.float64(),
            "mean absolute difference of alpha x 1000: over the image for a curve, where the trap lies for a probe",
        ),
    },
)

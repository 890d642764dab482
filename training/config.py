"""The parameters of training, evaluation and export; here, so that reading them needs no torch."""

from typing import Annotated, Literal

from pydantic import Field

from curation.config import Section

Variant = Literal["onnx", "static", "fp16", "int8", "torchscript"]
"""A kind of exported file."""


class RateParams(Section):
    """Peak learning rates of the parts."""

    backbone: float
    """Encoder."""
    aspp: float
    """Atrous spatial pyramid pooling."""
    decoder: float
    """Decoder."""
    refiner: float
    """Refiner; unused by the base network."""


class LossParams(Section):
    """What the terms of the loss count; 0 leaves one out."""

    pha: float = Field(ge=0)
    """Mean absolute difference of alpha."""
    grad: float = Field(ge=0)
    """The same of alpha's Sobel gradient."""
    fgr: float = Field(ge=0)
    """The same of the foreground where alpha is above 0."""
    err: float = Field(ge=0)
    """Mean squared difference of the error map from alpha's absolute error."""
    lap: float = Field(ge=0)
    """Mean absolute difference of the Laplacian pyramids of alpha, five levels; no term of the published recipe."""
    soft: float = Field(ge=0)
    """How much more a pixel of soft alpha (above 0 and below 1) counts in ``pha``; 1: twice as much."""


class ExtraParams(Section):
    """A source of samples that were not rendered here, mixed into training."""

    name: str
    """Its key in the section ``extra``, and in paths.yaml below ``extra``."""
    share: Annotated[float, Field(gt=0, lt=1)]
    """Share of all samples that training sees."""
    weight: Annotated[float, Field(gt=0, le=1)]
    """Weight of its samples' loss; rendered ones have 1. Below 1 where alpha is machine-made."""


class TrainParams(Section):
    """Parameters of the ``train_base`` and ``train_refine`` stages."""

    backbone: Literal["mobilenetv2", "resnet50", "resnet101"]
    """Encoder."""
    freeze: tuple[Literal["backbone", "aspp", "decoder", "refiner"], ...]
    """Parts left as ``init`` has them, their batch norm's statistics too; ``[]``: all learn."""
    init: str | None
    """Weights to start from (safetensors); null: from scratch (base) or from the base stage (refine)."""
    start: Literal["shaped", "published"]
    """Weights from scratch: shaped so that little training gets far, or drawn as the published code draws them."""
    difference: Literal["none", "raw", "matched"]
    """Whether the network is also shown how far source and captured background are apart: not (as published), by
    channel, or by channel after a gain and with small shifts forgiven. Published weights start any of the three."""
    data: Literal["shards", "plan"]
    """Read the rendered shards, or render live from the plan."""
    extra: tuple[ExtraParams, ...]
    """Other sources to mix in, such as captured pairs with machine-made alpha; ``[]``: none."""
    seed: int
    """Seed of initialisation, order and augmentation."""
    steps: int
    """Optimizer steps."""
    batch: int
    """Samples a step, over all devices."""
    crop: tuple[int, int]
    """Smallest and largest side of the random crops, pixels, multiples of 4; one size a batch, in steps of up to 64."""
    crop_growth: float = Field(ge=0, le=1)
    """Share of the run over which crops grow from the smallest size to all sizes; 0: all from the start."""
    optimizer: Literal["adam", "adamw"]
    """Update rule."""
    schedule: Literal["constant", "onecycle", "cosine"]
    """Learning rate over the run, after ``warmup`` steps of a straight climb: constant, or falling along half a cosine
    to 1/1000; onecycle has a climb of its own over the first tenth, and no warmup."""
    warmup: int = Field(ge=0)
    """Steps of climb with ``constant`` and ``cosine``."""
    rates: RateParams
    """Peak learning rates."""
    weight_decay: float
    """Decoupled for adamw."""
    clip: float | None
    """Largest gradient norm; null: unclipped."""
    dropout: float = Field(ge=0, lt=1)
    """Share of the values that atrous pooling's projection drops in training; 0.5 as published."""
    losses: LossParams
    """Weights of the loss terms."""
    ema: float | None
    """Decay of the averaged weights that are validated and saved; null: no average."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    """Arithmetic of the forward pass."""
    accelerator: Literal["auto", "cpu", "cuda"]
    """Device; auto takes a GPU where there is one and says what it took."""
    devices: int
    """Processes a machine, one a GPU, that share each batch equally; other numbers go on with what these have begun."""
    threads: int
    """CPU threads a process; recorded, since sums depend on it."""
    validate_every: int
    """Steps between validations."""
    images_every: Annotated[int, Field(ge=1)] | None
    """Steps between pictures of predictions, drawn when the network is validated, and at the last; null: none."""
    checkpoint_every: int
    """Steps between checkpoints."""
    backbone_scale: float
    """Refine: size of the coarse pass against the input."""
    refine_mode: Literal["sampling", "thresholding", "full"]
    """Refine: how patches are chosen."""
    refine_sample_pixels: int
    """Refine: pixels refined in sampling mode."""
    refine_threshold: float
    """Refine: smallest error in thresholding mode."""
    refine_kernel_size: Literal[1, 3]
    """Refine: kernel of the refiner's convolutions."""
    diverge: float | None
    """Stop where the last 5 losses' median is so many robust standard deviations above the last 100; null: never."""
    accumulate: int
    """Equal parts of a batch that are run one after the other to save memory; batch norm sees a part at a time."""
    compile: bool
    """Run through torch.compile: a slow start, other rounding; needs a C++ compiler."""
    checkpointing: bool
    """Compute activations again in the backward pass: less memory, more time, the same weights."""


class TestSetParams(Section):
    """A further test set: a folder of the user's."""

    layout: Literal["folder", "rgba", "fg-alpha", "videomatte", "rvm"]
    """How it is laid out; see docs/evaluation.md."""
    real: bool
    """Whether its mattes are of real people: such sets are the headline."""
    digest: str | None
    """Of the names and sizes of its files and of its backgrounds', where it has any; ``cleanplate scan`` writes it."""


class EvaluateParams(Section):
    """Parameters of the ``evaluate`` stage."""

    accelerator: Literal["auto", "cpu", "cuda"]
    """Device; auto takes a GPU where there is one and says what it took."""
    batch: int = Field(ge=1)
    """Samples a forward pass."""
    gallery: int = Field(ge=0)
    """Samples pictured in the report, shared out over the strengths: of each the worst, the median, the best, ..."""
    methods: tuple[str, ...]
    """Methods beside classical, base, refine and refine_coarse: ``guided``, ``closed_form`` (slow; needs the extra
    ``eval``), or files as ``find_weights`` finds them: an ONNX matting model, or weights of a refine network."""
    frames: int = Field(ge=1)
    """Consecutive frames of each clip where VideoMatte240K's layout is a further test set."""
    sets: dict[str, TestSetParams]
    """Further test sets, by name; ``cleanplate use testset`` writes them, paths.yaml says where they lie."""


class ToleranceParams(Section):
    """Largest mean difference of alpha or foreground from PyTorch, on any one input, with which a file is made."""

    float32: float = Field(gt=0)
    """Of the variants that compute as PyTorch does: onnx, static, torchscript."""
    fp16: float = Field(gt=0)
    """Of half precision."""
    int8: float = Field(gt=0)
    """Of 8-bit convolutions."""


class ExportParams(Section):
    """Parameters of the ``export`` stage."""

    variants: tuple[Variant, ...] = Field(min_length=1)
    """Files to make: ``onnx`` takes any size, ``static`` one, ``fp16`` computes in half precision and ``int8`` in
    8-bit convolutions, both for any size; ``torchscript`` takes one size. See docs/export.md."""
    width: int
    """Width of the check, the calibration and of frames for static and torchscript, pixels, a multiple of 4."""
    height: int
    """Height of the check, the calibration and of frames for static and torchscript, pixels, a multiple of 4."""
    samples: int = Field(ge=1)
    """Composites of the test set, evenly spread, on which each file is held against PyTorch and true alpha."""
    calibration: int = Field(ge=1)
    """Composites of the refine set, evenly spread, whose activations give int8 its ranges."""
    tolerance: ToleranceParams
    """Bounds of the check: a file beyond its own fails the stage."""


class RobustnessParams(Section):
    """Parameters of the ``robustness`` stage: the points of its curves; an empty list leaves one out."""

    accelerator: Literal["auto", "cpu", "cuda"]
    """Device; auto takes a GPU where there is one and says what it took."""
    seed: int
    """Seed of directions, shadows, changed things and grain."""
    methods: tuple[str, ...] = Field(min_length=1)
    """What is measured, beside a plain colour difference: as ``evaluate.methods``, the project's own named too."""
    samples: int = Field(ge=1)
    """Composites of the test set's strength ``exact`` that go through every point and probe, evenly spread."""
    pictured: int = Field(ge=0)
    """How many of them the probes' pictures show."""
    shift: tuple[Annotated[float, Field(ge=0)], ...]
    """Shift of the captured background, pixels at 512 on the long side."""
    exposure: tuple[float, ...]
    """Exposure of the captured background, stops."""
    white_balance: tuple[float, ...]
    """Red of the captured background up and blue down, stops."""
    gamma: tuple[Annotated[float, Field(gt=0)], ...]
    """Exponent of the captured background's display values."""
    noise: tuple[Annotated[float, Field(ge=0)], ...]
    """Sigma of both pictures' own noise at mid grey, display values 0 to 1."""
    jpeg: tuple[Annotated[int, Field(ge=1, le=100)], ...]
    """JPEG quality of both pictures."""
    shadow: tuple[Annotated[float, Field(ge=0, lt=1)], ...]
    """What the person's shadow takes from the display values of the scene in the source, share."""

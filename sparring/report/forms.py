"""What the files of a run say, key by key, as far as the report reads them: what does not fit its form is left out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, model_validator

from sparring.report.kinds import PGD, Amount, Count, Epoch, Form, Number, Of, Radius, Share

ADDED = "added"  # the stage of what a method put into its student (exits, a projector)


class Scores(Form):
    """What a network reached on a part of the data; null where a number was not finite."""

    accuracy: Share | None = None
    agreement: Share | None = None
    pgd: Share | None = Field(None, alias=PGD)
    __pydantic_extra__: dict[str, Number | None]


class Sized(Form):
    """A network's costs."""

    parameters: Amount | None = None
    macs: Amount | None = None
    latency: Amount | None = None


class Exit(Sized):
    """An exit of a student: how good it is, and what the network up to it costs."""

    accuracy: Share | None = None


class Facts(Sized):
    """What a run measured of its teacher."""

    name: str | None = None
    test: Scores | None = None
    validation: Scores | None = None


class Published(Form):
    """A number as it is published."""

    mean: Number
    sd: Amount | None
    n: Count | None


class Claim(Form):
    """A published number, and where it is from."""

    source: str
    published: Published
    protocol: str


class Result(Sized):
    """result.json."""

    method: str
    student: str
    data: str
    seed: int | None
    teacher: str | None = None
    start: str | None = None
    protocol: str | None = None
    changes: dict[str, Any] | None = None
    epochs: Amount | None = None
    batch_size: Amount | None = None
    best_epoch: Epoch | None = None
    weights: str | None = None
    best_weights: str | None = None
    images: dict[str, Count] = Field({})
    seconds: Amount | None = None
    seconds_before: Amount | None = None
    images_per_second: Amount | None = None
    data_share: Amount | None = None
    peak_memory_bytes: Amount | None = None
    test: Scores | None = None
    test_best: Scores | None = None
    test_at_best_validation: Scores | None = None
    test_without: Scores | None = None
    test_only: Scores | None = None
    validation: Scores | None = None
    exits: dict[str, Exit] = Field({})
    teacher_facts: Facts | None = None
    claim: Claim | None = None
    remarks: list[str] = Field([])


class Hashed(Form):
    """Where weights or data come from."""

    sha256: str | None = None
    fingerprint: str | None = None


class Manifest(Form):
    """manifest.json."""

    data: Hashed | None = None
    teacher: Hashed | None = None
    start: Hashed | None = None
    files: dict[str, str] | None = None
    started: str | None = None
    git_commit: str | None = None
    augment: str | None = None


class Perturb(Form):
    """The options of a perturbation; those of a chain's link lie under its name."""

    hard: dict[str, Any] | None = None


class Configuration(Form):
    """config.yaml."""

    method: str | None = None
    student: str | None = None
    teacher: str | None = None
    data: str | None = None
    seed: int | None = None
    perturb: Perturb | None = None
    optim: dict[str, Any] | None = None


class Line(Form):
    """A line of metrics.jsonl, of whatever kind."""

    kind: str


class Train(Line):
    """A line about some training steps."""

    epoch: Epoch
    step: Count | None = None
    batch: Count | None = None
    terms: dict[str, Number | None] | None = None
    gauges: dict[str, Number | None] | None = None


class Scored(Line):
    """A line about an epoch's end."""

    epoch: Epoch
    validation: Scores | None = None


class Measured(Of):
    """Within which ball and on which images something was measured."""

    norm: Literal["linf", "l2"]
    eps: Radius
    part: str
    images: Count
    epoch: str | None = None
    clean: Share
    accuracy: Share
    remarks: list[str] = Field([])


class Ensemble(Measured):
    """An entry of autoattack.json."""

    version: str
    after: dict[str, Share]
    finished: bool


class Climbed(Measured):
    """An entry of attacks.json; what else it says are the attack's options."""

    attack: str
    data: str


class Check(Form):
    """A test for masked gradients."""

    name: str
    passed: bool
    says: str


class Step(Form):
    """A student on its way towards disagreement."""

    steps: Epoch
    student_accuracy: Share
    teacher_accuracy: Share


class Withstood(Of):
    """An entry of robust.json."""

    norm: Literal["linf", "l2"] | None = None
    eps: Radius | None = None
    part: str | None = None
    images: Count | None = None
    curve: list[Annotated[list[Radius], Field(min_length=2, max_length=2)]] = Field([])
    autoattack: dict[str, Share] = Field({})
    disagreement: list[Step] = Field([])
    corruptions: dict[str, Share] = Field({})
    accuracy: dict[str, Share]
    checks: list[Check]


class Corrupted(Of):
    """corruptions.json."""

    benchmark: str
    source: str
    part: str
    images: Count
    clean: Share
    accuracy: dict[str, dict[str, Share]]
    skipped: dict[str, str] | None = None


class Variant(Of):
    """An entry of imagenet.json."""

    accuracy: Share | None = None
    mce: Amount | None = None


class Bias(Of):
    """bias.json."""

    bias: Number
    all: Share | None = Field(None, alias="accuracy")
    without: Share | None = None
    only: Share | None = None
    all_biased: Share | None = Field(None, alias="accuracy/biased")
    without_biased: Share | None = Field(None, alias="without/biased")
    only_biased: Share | None = Field(None, alias="only/biased")


class Point(Step):
    """A point of the disagreement curve."""

    student: str


class Curve(Form):
    """disagreement.json."""

    rows: list[Point]


class Layer(Form):
    """The mean gradient of a layer."""

    name: str
    stage: str
    shape: list[Count]
    mean: Amount


class Gradients(Form):
    """gradients.json."""

    epoch: Count
    loss: Number
    norm: Amount
    layers: list[Layer]
    stages: dict[str, Amount]

    @model_validator(mode="after")
    def _fitting(self) -> Gradients:
        stages = {layer.stage for layer in self.layers}
        if not stages - {ADDED}:
            raise ValueError("tells of no layer")
        if stages != self.stages.keys():
            raise ValueError("has other stages than its layers")
        return self


LINE = TypeAdapter(Line)
LINES = {"train": TypeAdapter(Train), "epoch": TypeAdapter(Scored)}
FORMS: dict[str, TypeAdapter[Any]] = {
    "result.json": TypeAdapter(Result),
    "manifest.json": TypeAdapter(Manifest),
    "config.yaml": TypeAdapter(Configuration),
    "autoattack.json": TypeAdapter(dict[str, Ensemble]),
    "attacks.json": TypeAdapter(dict[str, Climbed]),
    "robust.json": TypeAdapter(dict[str, Withstood]),
    "corruptions.json": TypeAdapter(Corrupted),
    "imagenet.json": TypeAdapter(dict[str, Variant]),
    "bias.json": TypeAdapter(Bias),
    "disagreement.json": TypeAdapter(Curve),
    "gradients.json": TypeAdapter(Gradients),
}

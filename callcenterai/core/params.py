"""Reads and checks sections of params.yaml: the one place where parameters become typed values."""

import re
import types
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from callcenterai.core.cli import UserError

Section = TypeVar("Section", bound="Parameters")
Name = Annotated[str, Field(min_length=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
# The range that NumPy and scikit-learn accept.
Seed = Annotated[int, Field(ge=0, lt=2**32)]

# DVC has no optional dependencies, so "no official test split" and "no feedback" must name a file that exists: an empty
# one of this name.
NO_FILE = "none"


class YamlLoader(yaml.SafeLoader):
    """Reads 1e-3 as a number, as YAML 1.2, DVC and most people do; PyYAML follows YAML 1.1 and reads it as text."""


YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _as_label(value: Any) -> str:
    """Return a label of params.yaml, where 404 is a number, as text; refuse what YAML reads as something else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a label must be text; write it in quotes, because YAML reads yes, no, on, off and dates")
    return str(value)


def _as_label_map(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(
            "must be a mapping such as {Laptop: Hardware}; the name of a file belongs in prepare.label_map_file"
        )
    # `label_map:` with nothing after it.
    return {} if value is None else value


Label = Annotated[str, BeforeValidator(_as_label)]
LabelMap = Annotated[dict[Label, Label | None], BeforeValidator(_as_label_map)]


class Parameters(BaseModel):
    """The base of every section: unknown keys and values of another type are refused, and values never change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PrepareParameters(Parameters):
    """Section `prepare`; params.yaml explains each parameter."""

    input: Name
    test_input: Name | None = None
    feedback_input: Name | None = None
    text_column: Name | Annotated[list[Name], Field(min_length=1)]
    label_column: Name
    slice_columns: list[Name] = Field(default_factory=list)
    label_map: LabelMap = Field(default_factory=dict)
    label_map_file: Name | None = None
    encoding: Name | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    sheet: Name | None = None
    header: bool = True
    max_unreadable: float = Field(default=0.01, ge=0, le=1)
    clean: Literal["none", "html", "mail"] = "none"
    remove_personal_data: bool = True
    spacy_model: Name | None = None
    min_text_length: int = Field(ge=1)
    max_text_length: int = Field(ge=10)
    min_class_count: int = Field(ge=1)
    majority: float = Field(default=0.75, gt=0.5, le=1)
    test_size: Fraction
    validation_size: Fraction
    near_duplicate_similarity: float = Field(ge=0.5, le=1)
    random_state: Seed

    @model_validator(mode="after")
    def _fit_together(self) -> "PrepareParameters":
        # In floating point, 0.34 + 0.56 is slightly more than 0.9.
        if self.test_size + self.validation_size > 0.9 + 1e-9:
            raise ValueError(
                "test_size and validation_size together must leave at least 0.1 for training "
                f"(they are {self.test_size} and {self.validation_size})"
            )
        if self.label_column in self.text_columns:
            raise ValueError(f"text_column and label_column must differ (both are {self.label_column!r})")
        if taken := {self.label_column, *self.text_columns}.intersection(self.slice_columns):
            raise ValueError(f"slice_columns must be other columns than text and label ({min(taken)!r} is one of them)")
        if len(set(self.slice_columns)) < len(self.slice_columns):
            raise ValueError("slice_columns must name each column once")
        if self.min_text_length > self.max_text_length:
            raise ValueError(
                "min_text_length must not exceed max_text_length "
                f"(they are {self.min_text_length} and {self.max_text_length})"
            )
        return self

    @property
    def text_columns(self) -> list[str]:
        """The columns whose texts, joined in this order, are a ticket's text."""
        return [self.text_column] if isinstance(self.text_column, str) else self.text_column

    @property
    def official_test(self) -> Path | None:
        """The file of an official test split, or None when the test part is split from the input."""
        return _file(self.test_input)

    @property
    def feedback(self) -> Path | None:
        """The file of the labels that people have chosen, or None."""
        return _file(self.feedback_input)

    @property
    def label_map_path(self) -> Path | None:
        """The file that renames labels, or None."""
        return _file(self.label_map_file)


def _file(name: str | None) -> Path | None:
    """Return the path of an optional file, or None when the name stands for no file."""
    return None if name is None or Path(name).name == NO_FILE else Path(name)


Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]
ClassCosts = Cost | dict[Label, Cost]


class ThresholdParameters(Parameters):
    """What the sections have in common that choose a threshold; params.yaml explains each parameter."""

    target_accuracy: Fraction
    threshold_confidence: Fraction
    threshold: Literal["overall", "per_class"] = "overall"
    cost_of_error: ClassCosts | None = None
    cost_of_review: ClassCosts | None = None

    @model_validator(mode="after")
    def _both_costs_or_none(self) -> "ThresholdParameters":
        if (self.cost_of_error is None) != (self.cost_of_review is None):
            raise ValueError("cost_of_error and cost_of_review belong together: set both, or both to null")
        return self


Features = Literal["words", "characters", "characters_in_words", "all_characters", "both"]
# The parameters of train_tfidf that may be auto: cross-validation on train then chooses them.
CHOSEN = ("features", "class_spread", "C", "accents", "min_df")


class TrainTfidfParameters(ThresholdParameters):
    """Section `train_tfidf`; params.yaml explains each parameter."""

    features: Features | Literal["auto"]
    accents: Literal["auto", "keep", "strip"]
    max_features: int | None = Field(ge=1)
    ngram_range: list[Annotated[int, Field(ge=1, le=5)]] = Field(min_length=2, max_length=2)
    min_df: Annotated[int, Field(ge=1)] | Literal["auto"]
    sublinear_tf: bool
    class_spread: Annotated[float, Field(ge=0, le=2)] | Literal["auto"]
    kernel: Literal["linear", "poly", "rbf", "sigmoid"]
    C: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["auto"]
    max_iter: int = Field(ge=1)
    tol: float = Field(gt=0, le=1)
    class_weight: Literal["balanced"] | None
    calibration: Literal["auto", "sigmoid", "temperature"]
    refit: bool
    bootstrap_samples: int = Field(ge=100, le=100_000)
    random_state: Seed

    @model_validator(mode="after")
    def _ngram_range_ascends(self) -> "TrainTfidfParameters":
        if self.ngram_range[0] > self.ngram_range[1]:
            raise ValueError("ngram_range must be [smallest, largest]")
        return self

    @property
    def open(self) -> list[str]:
        """The names of the parameters that are auto and chosen on train."""
        return [name for name in CHOSEN if getattr(self, name) == "auto"]


class TrainTransformerParameters(ThresholdParameters):
    """Section `train_transformer`; params.yaml explains each parameter."""

    encoder: Name
    max_tokens: int = Field(ge=4, le=8192)
    vocabulary: int = Field(ge=100, le=1_000_000)
    min_count: int = Field(ge=1)
    layers: int = Field(ge=1, le=48)
    width: int = Field(ge=8, le=4096)
    heads: int = Field(ge=1, le=64)
    feed_forward: int = Field(ge=8, le=16384)
    members: int = Field(ge=1, le=10)
    dropout: float = Field(ge=0, lt=1)
    masked: float = Field(ge=0, lt=1)
    label_smoothing: float = Field(ge=0, lt=1)
    epochs: int = Field(ge=1, le=1000)
    patience: int = Field(ge=1)
    batch_size: int = Field(ge=1, le=4096)
    learning_rate: float | None = Field(gt=0, lt=1)
    weight_decay: float = Field(ge=0, lt=1)
    refit: bool
    precision: Literal["float32", "int8"]
    bootstrap_samples: int = Field(ge=100, le=100_000)
    # The seed of an epoch is this number plus the number of the epoch.
    random_state: int = Field(ge=0, lt=2**31)

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> "TrainTransformerParameters":
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads (they are {self.width} and {self.heads})")
        return self

    @property
    def from_scratch(self) -> bool:
        """Whether the encoder starts from random weights."""
        return self.encoder == "scratch"

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate at the peak of its schedule: learning_rate, or a default that depends on the encoder."""
        return self.learning_rate or (7e-4 if self.from_scratch else 5e-5)


class FitRoutingParameters(ThresholdParameters):
    """Section `fit_routing`; params.yaml explains each parameter."""

    largest_transformer_share: float = Field(ge=0, le=1)
    bootstrap_samples: int = Field(ge=100, le=100_000)
    random_state: Seed


class RegistryParameters(Parameters):
    """Section `registry`; params.yaml explains each parameter."""

    metric: Literal["accuracy", "macro_f1", "weighted_f1"]
    minimum_accuracy: float = Field(ge=0, le=1)
    minimum_macro_f1: float = Field(ge=0, le=1)
    tolerance: float = Field(ge=0, le=1)
    class_tolerance: float = Field(ge=0, le=1)
    coverage_tolerance: float = Field(default=0.05, ge=0, le=1)
    min_class_tickets: int = Field(ge=1)


def read_yaml(text: str) -> Any:
    """Return the content of a YAML text; raise ValueError when it is not valid."""
    try:
        # YamlLoader is a SafeLoader, which makes plain data only; bandit recognises SafeLoader by its name alone.
        return yaml.load(text, YamlLoader)  # nosec B506
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(str(error)) from None
    except (KeyError, AttributeError, TypeError, IndexError):
        # PyYAML 6 lets these through when a tag does not fit its value, such as !!bool maybe or !!timestamp soon.
        raise ValueError("a value does not fit its tag") from None


def read_parameters(path: Path, section: str, kind: type[Section]) -> Section:
    """Return the section of a params.yaml as a checked `kind`; raise a UserError that names every invalid value."""
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run from the repository's root or name it with --params") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get(section), dict):
        raise UserError(f"{path} has no section '{section}:'; `git checkout {path}` brings the original back")
    try:
        return kind.model_validate(content[section])
    except ValidationError as error:
        raise UserError(f"{path}: {_explain_all(section, kind, error.errors())}") from None


def _explain_all(section: str, kind: type[Parameters], errors: list[ErrorDetails]) -> str:
    """Return what is wrong with each value; pydantic lists one error for each type that a value may have."""
    by_place: dict[tuple, list[ErrorDetails]] = defaultdict(list)
    for error in errors:
        by_place[_place_of(kind, error)].append(error)
    # What is wrong inside a list says more than that a list is no text.
    outer = {place[:size] for place in by_place for size in range(1, len(place))}
    return "; ".join(
        _explain(".".join([section, *map(str, place)]), kind, each)
        for place, each in by_place.items()
        if place not in outer
    )


def place_of(section: str, kind: type[Parameters], error: ErrorDetails) -> str:
    """Return the dotted name of the value that pydantic refuses."""
    return ".".join([section, *map(str, _place_of(kind, error))])


def _place_of(kind: type[Parameters], error: ErrorDetails) -> tuple:
    field, *inside = error["loc"] or ("",)
    inside = inside[1:] if _has_several_types(kind, field) else inside
    # An error of a mapping's key belongs to the mapping.
    return (field, *(inside if "[key]" not in inside else ()))


def _has_several_types(kind: type[Parameters], field: int | str) -> bool:
    """Whether pydantic names a type after the field in the place of an error."""
    annotation = kind.model_fields[field].annotation if field in kind.model_fields else None
    types_of = [each for each in get_args(annotation) if each is not type(None)]
    return get_origin(annotation) in (Union, types.UnionType) and len(types_of) > 1


def _explain(place: str, kind: type[Parameters], errors: list[ErrorDetails]) -> str:
    """Return what is wrong with one value; if it has one of the types, not that it has none of the others."""
    name, first = place.rstrip("."), errors[0]
    if first["type"] == "extra_forbidden":
        return f"{name} is not a parameter; known are {', '.join(kind.model_fields)}"
    if first["type"] == "missing":
        return f"{name} is missing"
    of_type = [error for error in errors if error["type"].endswith("_type") or error["type"] == "literal_error"]
    telling = errors if len(of_type) == len(errors) else [error for error in errors if error not in of_type]
    messages = dict.fromkeys(error["msg"].removeprefix("Value error, ") for error in telling)
    message = " or ".join(messages).replace(" or Input should be ", " or ")
    return f"{name}: {message[0].lower()}{message[1:]}" + (f" (it is {first['input']!r})" if first["loc"] else "")

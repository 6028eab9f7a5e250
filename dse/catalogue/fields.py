"""What may stand in a field? One declaration a field: dimension, range, choices; it reads and checks the value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from dse import units
from dse.catalogue.conditions import Condition, parse_condition
from dse.catalogue.errors import FieldError, Problem, listed, nearest
from dse.sources import KINDS, Cited

__all__ = ["Choices", "Context", "Figure", "Range", "Spec", "bounds_text"]

CITED_KEYS = ("value", "source", "at", "kind", "note", "low", "high")
RANGE_KEYS = ("low", "high", "log", "step", "because", "when", "otherwise")
CHOICE_KEYS = ("choices", "because", "when", "otherwise")
OTHER_CURRENCY = "money is in USD: convert it at the rate of its date, and say so in a note"
UNCITED_KINDS = ("derived", "assumed", "hypothetical")
Value: TypeAlias = float | str | bool


@dataclass(frozen=True, slots=True)
class Range:
    """A free number between low and high [base units], on a logarithmic scale or in steps where asked for.

    when: condition under which the field is free; otherwise: its value [base units] when the condition fails.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    because: str = ""
    when: Condition | None = None
    otherwise: Value | None = None


@dataclass(frozen=True, slots=True)
class Choices:
    """A free field with listed values [base units, names or flags]; when, otherwise: as for a Range."""

    values: tuple[Value, ...]
    because: str = ""
    when: Condition | None = None
    otherwise: Value | None = None


Figure: TypeAlias = Cited | Range | Choices


@dataclass(frozen=True, slots=True)
class Context:
    """What the reader of a field must know of its file: keys of its sources, and whether fields may be free."""

    sources: frozenset[str] = frozenset()
    free: bool = False
    must_cite: bool = False


@dataclass(frozen=True, slots=True)
class Spec:
    """The declaration of a field.

    kind: number, name or flag; dimension: key of units.DIMENSIONS; low, high: allowed range in base
    units, low itself excluded when above; integer; choices: allowed names; names: what the value is a name of
    (memory, format ...); cited: a chip file must give the source; none: the name 'none' is accepted too.
    """

    dimension: str = "1"
    low: float | int = 0.0
    high: float | int = math.inf
    above: bool = False
    integer: bool = False
    kind: str = "number"
    choices: tuple[str, ...] = ()
    names: str = ""
    cited: bool = False
    none: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic hand every raw value of the field to `read`."""
        return core_schema.with_info_plain_validator_function(self.from_pydantic)

    def from_pydantic(self, raw: Any, info: Any) -> Figure:
        """The figure of a raw TOML value in the context of its file (info: pydantic's ValidationInfo)."""
        return self.read(raw, info.context if isinstance(info.context, Context) else Context())

    def read(self, raw: Any, context: Context) -> Figure:
        """A bare value, a cited table, or (where allowed) a free field; FieldError with every fault of it."""
        if not isinstance(raw, dict):
            if self.cited and context.must_cite:
                raise FieldError(uncited(raw))
            return Cited(self.value(raw))
        if "choices" in raw or ("value" not in raw and "low" in raw and "high" in raw):
            if not context.free:
                raise FieldError(Problem("is free, which only a search space may leave it", value=shown(raw)))
            return self.choices_of(raw) if "choices" in raw else self.range_of(raw)
        return self.cited_of(raw, context)

    def value(self, raw: Any) -> Value:
        """A raw string, number or flag in base units; FieldError when it is not what the field may hold."""
        if self.kind == "flag":
            if not isinstance(raw, bool):
                raise FieldError(Problem("must be true or false", value=shown(raw)))
            return raw
        if self.kind == "name":
            return self.name(raw)
        if self.none and raw == "none":
            return "none"
        return self.number(raw)

    def name(self, raw: Any) -> str:
        """A name, one of the choices where there are any."""
        if not isinstance(raw, str) or not raw.strip():
            raise FieldError(Problem("must be a name in quotes", value=shown(raw), allowed=listed(self.choices)))
        if self.choices and raw not in self.choices:
            close = nearest(raw, self.choices)
            raise FieldError(Problem("unknown name", value=shown(raw), allowed=listed(self.choices), nearest=close))
        return raw

    def number(self, raw: Any) -> float:
        """A number in base units within the range of the field."""
        value = self.magnitude(raw)
        within = self.low < value if self.above else self.low <= value
        if not within or not value <= self.high or not math.isfinite(value):
            raise FieldError(Problem("is out of range", value=shown(raw), allowed=bounds_text(self)))
        if self.integer and value != int(value):
            raise FieldError(Problem("must be a whole number", value=shown(raw), allowed=bounds_text(self)))
        return value

    def magnitude(self, raw: Any) -> float:
        """A number in base units, whatever its size."""
        if isinstance(raw, bool) or not isinstance(raw, int | float | str):
            raise FieldError(Problem(f"must be {self.expected()}", value=shown(raw)))
        if isinstance(raw, str):
            try:
                return units.parse(raw, self.dimension)
            except units.UnitError as error:
                way_out = OTHER_CURRENCY if self.dimension.startswith("USD") else ""
                raise FieldError(Problem(str(error), "", "", shown(raw), self.expected(), way_out=way_out)) from error
        if self.dimension not in ("1", "tokens"):
            raise FieldError(Problem("has no unit", value=shown(raw), allowed=self.expected()))
        return float(raw)

    def expected(self) -> str:
        """What a value of this field looks like, for messages."""
        if self.dimension == "1":
            return "a whole number" if self.integer else "a number"
        accepted = listed(units.units_of(self.dimension), 8)
        return f"a quantity in {accepted}" if self.dimension != "tokens" else "a number of tokens"

    def cited_of(self, raw: dict[str, Any], context: Context) -> Cited:
        """A table with value and provenance."""
        faults = unknown_keys(raw, CITED_KEYS) + text_faults(raw, ("source", "at", "kind", "note"))
        if "value" not in raw:
            faults.append(Problem("missing", key="value", way_out='write { value = "...", source = "..." }'))
        if not faults:
            faults += provenance_faults(raw, context)
        found = {key: self.attempt(raw, key, faults) for key in ("value", "low", "high") if key in raw}
        if faults:
            raise FieldError(*faults)
        low, high = found.get("low"), found.get("high")
        value = found["value"]
        assert value is not None
        cited = Cited(
            value=value,
            source=raw.get("source", ""),
            at=raw.get("at", ""),
            kind=raw.get("kind", "published"),
            note=raw.get("note", ""),
            low=low if isinstance(low, float) else None,
            high=high if isinstance(high, float) else None,
        )
        check_belief(cited, raw)
        return cited

    def range_of(self, raw: dict[str, Any]) -> Range:
        """A free number with its bounds."""
        faults = unknown_keys(raw, RANGE_KEYS) + self.free_faults(raw)
        if self.kind != "number":
            faults.append(Problem("cannot be a range", value=shown(raw), way_out="give choices = [...]"))
            raise FieldError(*faults)
        low, high = self.attempt(raw, "low", faults), self.attempt(raw, "high", faults)
        step = self.step_of(raw, faults)
        log = raw.get("log", False)
        if not isinstance(log, bool):
            faults.append(Problem("must be true or false", key="log", value=shown(log)))
        if isinstance(low, float) and isinstance(high, float):
            faults += range_faults(low, high, log is True, step, raw)
        when, otherwise = self.condition_of(raw, faults)
        if faults:
            raise FieldError(*faults)
        assert isinstance(low, float)
        assert isinstance(high, float)
        return Range(low, high, log, step, raw["because"], when, otherwise)

    def choices_of(self, raw: dict[str, Any]) -> Choices:
        """A free field with listed values."""
        faults = unknown_keys(raw, CHOICE_KEYS) + self.free_faults(raw)
        listing = raw["choices"]
        values: list[Value] = []
        if not isinstance(listing, list) or not listing:
            faults.append(Problem("must be a list with at least one value", key="choices", value=shown(listing)))
        else:
            for index, item in enumerate(listing):
                value = self.attempt({f"choices[{index}]": item}, f"choices[{index}]", faults)
                if value is not None and value in values:
                    faults.append(Problem("is listed twice", key=f"choices[{index}]", value=shown(item)))
                elif value is not None:
                    values.append(value)
        when, otherwise = self.condition_of(raw, faults)
        if faults:
            raise FieldError(*faults)
        return Choices(tuple(values), raw["because"], when, otherwise)

    def attempt(self, raw: dict[str, Any], key: str, faults: list[Problem]) -> Value | None:
        """The value of a key; None, with the faults added to the list, when it cannot be read."""
        try:
            return self.value(raw[key])
        except FieldError as error:
            faults += error.at("", key if key != "value" else "")
            return None

    def step_of(self, raw: dict[str, Any], faults: list[Problem]) -> float | None:
        """The step of a range in base units; whole numbers step by one where nothing else is said."""
        if "step" not in raw:
            return 1.0 if self.integer else None
        try:
            return self.magnitude(raw["step"])
        except FieldError as error:
            faults += error.at("", "step")
            return None

    def free_faults(self, raw: dict[str, Any]) -> list[Problem]:
        """What every free field must say: why these values."""
        because = raw.get("because")
        if isinstance(because, str) and because.strip():
            return []
        return [Problem("missing", key="because", way_out='say why these bounds: because = "..."')]

    def condition_of(self, raw: dict[str, Any], faults: list[Problem]) -> tuple[Condition | None, Value | None]:
        """The condition of a free field and its value when the condition fails; both or neither."""
        if ("when" in raw) != ("otherwise" in raw):
            absent = "otherwise" if "when" in raw else "when"
            faults.append(Problem("missing", key=absent, way_out="give both `when` and `otherwise`, or neither"))
        if "when" not in raw or "otherwise" not in raw:
            return None, None
        try:
            condition = parse_condition(raw["when"])
        except FieldError as error:
            faults += error.at("", "when")
            condition = None
        return condition, self.attempt(raw, "otherwise", faults)


def uncited(raw: Any) -> Problem:
    """The fault of a physical figure without a source."""
    way_out = 'write { value = ..., source = "key", at = "..." }, or kind = "assumed" with a note'
    return Problem("has no source", value=shown(raw), way_out=way_out)


def unknown_keys(raw: dict[str, Any], valid: tuple[str, ...]) -> list[Problem]:
    """A fault for each key that is none of the valid ones."""
    return [
        Problem("unknown key", key=key, allowed=listed(valid), nearest=nearest(key, valid))
        for key in raw
        if key not in valid
    ]


def text_faults(raw: dict[str, Any], keys: tuple[str, ...]) -> list[Problem]:
    """A fault for each of the keys that holds something else than text."""
    return [
        Problem("must be text in quotes", key=key, value=shown(raw[key]))
        for key in keys
        if key in raw and not isinstance(raw[key], str)
    ]


def provenance_faults(raw: dict[str, Any], context: Context) -> list[Problem]:
    """Faults of source, kind and note of a cited table."""
    faults: list[Problem] = []
    kind, source = raw.get("kind", "published"), raw.get("source", "")
    if kind not in KINDS:
        faults.append(Problem("unknown kind", key="kind", value=shown(kind), allowed=listed(KINDS)))
    if source and source not in context.sources:
        close = nearest(source, context.sources)
        way_out = f"add [sources] {source} = {{ title, locator, date }}"
        faults.append(Problem("unknown source", key="source", value=shown(source), nearest=close, way_out=way_out))
    if not source and kind not in UNCITED_KINDS:
        faults.append(Problem("has no source", way_out="name a key of [sources], or say that it is assumed and why"))
    if not source and kind in UNCITED_KINDS and not raw.get("note", "").strip():
        faults.append(Problem(f"is {kind} without a note", key="note", way_out="give the reason or the arithmetic"))
    return faults


def range_faults(low: float, high: float, log: bool, step: float | None, raw: dict[str, Any]) -> list[Problem]:
    """Faults of the bounds of a free number [base units]."""
    faults: list[Problem] = []
    if low >= high:
        faults.append(Problem("is empty: low must be below high", value=shown(raw)))
    if log and low <= 0:
        faults.append(Problem("a logarithmic range must begin above zero", key="low", value=shown(raw["low"])))
    if log and "step" in raw:
        faults.append(Problem("a logarithmic range has no step", key="step", value=shown(raw["step"])))
    if step is not None and not 0 < step <= abs(high - low) and low < high:
        faults.append(Problem("must be above zero and within the range", key="step", value=shown(raw.get("step"))))
    return faults


def check_belief(cited: Cited, raw: dict[str, Any]) -> None:
    """FieldError unless low <= value <= high."""
    if not isinstance(cited.value, float):
        return
    low, high = cited.range
    if not low <= cited.value <= high:
        raise FieldError(Problem("must lie between its own low and high", value=shown(raw)))


def shown(raw: Any) -> str:
    """A raw value as a person wrote it, shortened."""
    text = "{" + ", ".join(f"{key} = {shown(raw[key])}" for key in raw) + "}" if isinstance(raw, dict) else repr(raw)
    text = text.replace("True", "true").replace("False", "false") if isinstance(raw, bool) else text
    return text if len(text) <= 80 else text[:77] + "..."


def bounds_text(spec: Spec) -> str:
    """The allowed range of a field, with units, for messages and documentation."""
    if spec.kind == "flag":
        return "true or false"
    if spec.kind == "name":
        return listed(spec.choices) or f"a name of {spec.names or 'something'}"
    low = ("above " if spec.above else "from ") + units.readable(float(spec.low), spec.dimension, 6)
    high = f" to {units.readable(float(spec.high), spec.dimension, 6)}" if math.isfinite(spec.high) else " upwards"
    return low + high

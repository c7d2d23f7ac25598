"""How a message of the REST API is read: its kinds of values, and the sentence about each that is wrong.

Values may have gone through a template, so numbers and booleans may come as text, and messages as JSON text.

REST pages: https://protobuf.dev/programming-guides/json (values),
https://developers.google.com/earth-engine/reference/rest (messages).
"""

from __future__ import annotations

import difflib
import json
import math
import re
from decimal import Decimal
from typing import Annotated, Any, ClassVar, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError
from typing_extensions import Self

from airflow_provider_ee.earthengine.errors import RequestError

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


def problem(sentence: str) -> PydanticCustomError:
    """What a validator raises: the sentence goes on after the path of the field."""
    # Braces of user text must not be read as a format.
    return PydanticCustomError("earth_engine", "{sentence}", {"sentence": sentence})


def _shown(value: Any) -> str:
    """A value for a sentence, cut short."""
    try:
        shown = repr(value)
    except ValueError:  # Python refuses to write integers of more than 4,300 digits
        shown = "a number of thousands of digits"
    return shown if len(shown) <= 80 else f"{shown[:80]}…"


def _unwrapped(value: Any) -> Any:
    """The Python client spells wrapper types ``{"value": n}``; the service reads both."""
    return value["value"] if isinstance(value, dict) and set(value) == {"value"} else value


def whole_number(value: Any) -> int:
    """An integer, a float without a fraction, or text of one."""
    value = _unwrapped(value)
    try:
        if isinstance(value, bool):
            raise ValueError
        number = Decimal(value.strip() if isinstance(value, str) else value)
        if not number.is_finite() or number.adjusted() > 18 or number != number.to_integral_value():
            raise ValueError
        if not _INT64_MIN <= number <= _INT64_MAX:
            raise ValueError
        return int(number)
    except (ValueError, TypeError, ArithmeticError):
        raise problem(f"must be a whole number, not {_shown(value)}") from None


def _number(value: Any) -> float:
    value = _unwrapped(value)
    try:
        if isinstance(value, bool):
            raise ValueError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise problem(f"must be a number, not {_shown(value)}") from None


def _boolean(value: Any) -> bool:
    words = {"true": True, "false": False}
    known = value if isinstance(value, bool) else words.get(str(value).strip().lower())
    if known is None:
        raise problem(f"must be true or false, not {value!r}")
    return known


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise problem(not_text(value))
    return value


def not_text(value: Any) -> str:
    """The sentence about what should be text."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (
            f"must be text, not the number {_shown(value)}; "
            "where rendering made it one, put a letter beside the template or render as text "
            "(render_template_as_native_obj=False)"
        )
    return f"must be text, not {_shown(value)}"


def matching(pattern: str, rule: str) -> AfterValidator:
    """Text of a form that the service demands; the rule says which."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise problem(f"is {value!r}, but takes {rule}")
        return value

    return AfterValidator(check)


def _decimal(value: int) -> str:
    """proto3 JSON writes an int64 as text, since a double cannot hold each of them."""
    return str(value)


def _json_number(value: float) -> float | str:
    """proto3 JSON spells the numbers that JSON lacks as text."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


Int32 = Annotated[int, BeforeValidator(whole_number), Field(ge=-(2**31), le=2**31 - 1)]
Size = Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=2**31 - 1)]
NaturalInt32 = Annotated[int, BeforeValidator(whole_number), Field(ge=0, le=2**31 - 1)]
PositiveInt64 = Annotated[int, BeforeValidator(whole_number), Field(ge=1), PlainSerializer(_decimal)]
Int64 = Annotated[int, BeforeValidator(whole_number), PlainSerializer(_decimal)]
Double = Annotated[float, BeforeValidator(_number), PlainSerializer(_json_number)]
FiniteDouble = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Bool = Annotated[bool, BeforeValidator(_boolean)]
Text = Annotated[str, BeforeValidator(_text)]


class Message(BaseModel):
    """A message of the REST API: unknown keys are refused, unset fields are not sent."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)

    one_of: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Unions of the API: of each group at most one field may be set."""

    refused: ClassVar[dict[str, str]] = {}
    """Fields of the API that cannot be set here, and why."""

    @model_validator(mode="before")
    @classmethod
    def _read_json_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise problem(f"must be a JSON object, not the text {_shown(value)}") from None

    @model_validator(mode="after")
    def _check_unions(self) -> Self:
        for group in self.one_of:
            chosen = [to_camel(name) for name in group if getattr(self, name) is not None]
            if len(chosen) > 1:
                raise problem(f"has both {' and '.join(chosen)}; set only one of them")
        return self


AnyMessage = TypeVar("AnyMessage", bound=Message)


def parse(model: type[AnyMessage], value: Any, *, at: tuple[str, ...] = ()) -> AnyMessage:
    """Validate ``value`` as a message that stands at the path ``at`` of a request.

    :raises RequestError: naming each field by its path.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        sentences = [_sentence(model, at, problem) for problem in error.errors(include_url=False)]
        more = f" ({len(sentences) - 3} more problems.)" if len(sentences) > 3 else ""
        raise RequestError(" ".join(dict.fromkeys(sentences[:3])) + more) from None


def _sentence(model: type[Message], at: tuple[str, ...], problem: ErrorDetails) -> str:
    path = ".".join(map(str, (*at, *problem["loc"])))
    kind, context = problem["type"], problem.get("ctx", {})
    value = _unwrapped(problem["input"])
    if kind == "earth_engine":
        sentence = context["sentence"]
        subject = path or ("The request" if sentence.startswith("has ") else "")
        return f"{subject} {sentence}.".lstrip()
    if kind == "extra_forbidden":
        holder = _model_at(model, problem["loc"][:-1])
        fields = [to_camel(name) for name in holder.model_fields]
        written = str(problem["loc"][-1])
        if reason := next(
            (why for name, why in holder.refused.items() if _letters(name) == _letters(written)), None
        ):
            return f"{path} {reason}."
        listed = "" if meant(written, fields) else f"; known are {', '.join(fields)}"
        return f"{path} is not a field{listed}{_hint(written, fields)}"
    if kind == "literal_error":
        known = _quoted(context["expected"])
        return f"{path} must be one of {', '.join(known)}, not {_shown(value)}{_hint(str(value), known)}"
    if kind == "missing":
        return f"{path} is missing."
    if kind == "model_type":
        return f"{path or 'The request'} must be a JSON object, not {_shown(value)}."
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = "at least" if kind == "greater_than_equal" else "at most"
        return f"{path} must be {bound} {context.get('ge', context.get('le'))}, not {value!r}."
    if kind == "finite_number":
        return f"{path} must be a finite number, not {value!r}."
    if kind == "string_too_short":
        return f"{path} must not be empty."
    return f"{path} is wrong: {problem['msg']} (got {_shown(value)})."


def meant(written: str, known: list[str]) -> str | None:
    """The known word that a misspelt one is most like, if there is one."""
    spelling = {_letters(name): name for name in known}
    near = difflib.get_close_matches(_letters(written), list(spelling), n=1, cutoff=0.5)
    return spelling[near[0]] if near else None


def _letters(name: str) -> str:
    """A name however it is spelt."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _hint(written: str, known: list[str]) -> str:
    nearest = meant(written, known)
    return f"; did you mean {nearest}?" if nearest else "."


def _quoted(expected: str) -> list[str]:
    return re.findall(r"'([^']+)'", expected)


def _model_at(model: type[Message], path: tuple[str | int, ...]) -> type[Message]:
    for part in path:
        fields = {name: field for known, field in model.model_fields.items() for name in (known, to_camel(known))}
        if part in fields:
            model = message_of(fields[str(part)].annotation) or model
    return model


def message_of(annotation: Any) -> type[Message] | None:
    """The message that a field holds, alone, in a list or as what may be left out."""
    if isinstance(annotation, type) and issubclass(annotation, Message):
        return annotation
    return next((found for argument in get_args(annotation) if (found := message_of(argument))), None)

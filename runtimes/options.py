"""Runtime options of a model: only known ones pass, each with the type and values it may have."""

from __future__ import annotations

from collections.abc import Sequence

from runtimes.contract.messages import ModelSpec, OptionValue
from runtimes.runtime import LoadError

_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")


class Options:
    """A model's options, read by name. Every method raises LoadError naming what does not fit.

    Numbers and truth values may also come as text, as Triton's `parameters` have them.
    """

    def __init__(self, spec: ModelSpec, known: Sequence[str]) -> None:
        self._given = spec.options
        for name in spec.options:
            if name not in known:
                raise LoadError(
                    f"unknown option '{name}' for runtime '{spec.runtime}'; "
                    + (f"known are {', '.join(sorted(known))}" if known else "it has none")
                )

    def value(self, name: str) -> OptionValue | None:
        """The option as given, None where it is not."""
        return self._given.get(name)

    def flag(self, name: str) -> bool | None:
        """A truth value, None where the option is not given."""
        value = self._given.get(name)
        if value is None or isinstance(value, bool):
            return value
        text = str(value).lower()
        if text not in _TRUE + _FALSE:
            raise LoadError(f"option '{name}' is '{value}', expected true or false")
        return text in _TRUE

    def integer(self, name: str, minimum: int) -> int | None:
        """A whole number of at least `minimum`, None where the option is not given."""
        value = self._given.get(name)
        if value is None:
            return None
        number = _whole(value)
        if number is None or number < minimum:
            raise LoadError(
                f"option '{name}' is '{value}', expected a whole number of at least {minimum}"
            )
        return number

    def text(self, name: str, choices: Sequence[str] = ()) -> str | None:
        """A text, one of `choices` where there are any; None where the option is not given."""
        value = self._given.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or (choices and value not in choices):
            expected = f"one of {', '.join(choices)}" if choices else "a text"
            raise LoadError(f"option '{name}' is '{value}', expected {expected}")
        return value


def _whole(value: OptionValue) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return int(value)
    except ValueError:
        return None

"""What a worker can be asked: a model's signatures by name, each with how requests are joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from runtimes.aliases import Renamed, check_known
from runtimes.batch_size import fitting
from runtimes.batching.decide import Limits
from runtimes.batching.filled import Filled
from runtimes.batching.padding import stretch
from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import PREDICT, SERVING_DEFAULT, NamedSignature
from runtimes.runtime import LoadedModel, LoadError, ManySignatures

NS_PER_US = 1000
ALONE = Limits()


@dataclass(frozen=True, slots=True)
class Function:
    """One signature of a loaded model, to be called within `limits`."""

    name: str
    model: LoadedModel
    limits: Limits = ALONE
    method_name: str = PREDICT
    not_to_try: str = ""
    """Why it must not be run for practice, "" where it may."""

    @property
    def filled(self) -> Filled:
        """The model as a request alone meets it."""
        return Filled(self.model, self.limits)

    def described(self) -> NamedSignature:
        """What the gateway is told of it."""
        return NamedSignature(
            self.filled.signature, self.model.max_batch_size, self.name, self.method_name
        )


def functions(model: LoadedModel, spec: ModelSpec) -> tuple[Function, ...]:
    """Every signature of `model`, the default one first, by its aliases. Raises LoadError."""
    named = list(_named(model))
    if spec.aliases:
        check_known(spec.aliases, [one.model for one in named])
        named = [replace(one, model=Renamed(one.model, spec.aliases)) for one in named]
    return tuple(
        replace(one, limits=_limits(one.model, spec, is_default=at == 0))
        for at, one in enumerate(named)
    )


def _named(model: LoadedModel) -> Iterator[Function]:
    if not isinstance(model, ManySignatures):
        yield Function(SERVING_DEFAULT, model)
        return
    for name, one in sorted(model.signatures.items(), key=lambda item: item[1] is not model):
        reason = model.not_to_try.get(name, "")
        yield Function(name, one, Limits(), model.method_names[name], reason)


def _limits(model: LoadedModel, spec: ModelSpec, is_default: bool) -> Limits:
    """Requests are joined only where the settings ask for it. Raises LoadError."""
    batched = model.max_batch_size > 0
    batching = fitting(spec.batching, model.max_batch_size, model.signature)
    if batching is None:
        return Limits(batched=batched)
    try:
        padding = stretch(batching.pad, model.signature)
    except ValueError as error:
        if is_default:
            raise LoadError(str(error)) from None
        padding = None  # the settings were written for the default
    return Limits(
        model.max_batch_size,
        batching.max_queue_delay_us * NS_PER_US,
        batching.allowed_sizes if batched else (),
        padding,
        batched,
    )


def by_request(functions: Sequence[Function]) -> dict[str, Function]:
    """Which of them answers a request's `signature`: its name, or "" for the default."""
    return {"": functions[0], **{one.name: one for one in functions}}

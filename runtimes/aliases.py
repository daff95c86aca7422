"""Other names for a model's inputs and outputs than its artifact has, as the settings give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import Signature, Tensor, TensorSpec
from runtimes.runtime import LoadedModel, LoadError


class Renamed:
    """`model` with the names in `aliases` (the artifact's to clients'); a LoadedModel itself.

    Raises LoadError where two inputs, or two outputs, would have one name.
    """

    def __init__(self, model: LoadedModel, aliases: Mapping[str, str]) -> None:
        self.max_batch_size = model.max_batch_size
        self.device = model.device
        self.facts = model.facts
        self._model = model
        self._inputs = _by_shown("input", model.signature.inputs, aliases)
        self._outputs = _by_shown("output", model.signature.outputs, aliases)
        self._shown = {own: shown for shown, own in self._outputs.items()}
        self.signature = Signature(
            _renamed(model.signature.inputs, aliases), _renamed(model.signature.outputs, aliases)
        )

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> Sequence[Tensor]:
        """The model's answer, under the names that clients know."""
        asked = [replace(one, name=self._inputs[one.name]) for one in inputs]
        found = self._model.infer(asked, [self._outputs[name] for name in outputs])
        return [replace(one, name=self._shown[one.name]) for one in found]


def as_artifact_names(spec: ModelSpec) -> ModelSpec:
    """`spec` with the inputs and outputs that it declares under the artifact's names."""
    own = {shown: name for name, shown in spec.aliases.items()}
    return replace(spec, inputs=_renamed(spec.inputs, own), outputs=_renamed(spec.outputs, own))


def check_known(aliases: Mapping[str, str], models: Iterable[LoadedModel]) -> None:
    """Refuse an alias of what none of `models` has. Raises LoadError naming those there are."""
    known: set[str] = set()
    for model in models:
        known |= {one.name for one in (*model.signature.inputs, *model.signature.outputs)}
    for name in aliases:
        if name not in known:
            raise LoadError(
                f"aliases: the model has no input or output '{name}'; it has "
                + ", ".join(f"'{one}'" for one in sorted(known))
            )


def _renamed(specs: Sequence[TensorSpec], names: Mapping[str, str]) -> tuple[TensorSpec, ...]:
    return tuple(replace(one, name=names.get(one.name, one.name)) for one in specs)


def _by_shown(kind: str, specs: Sequence[TensorSpec], aliases: Mapping[str, str]) -> dict[str, str]:
    own: dict[str, str] = {}
    for spec in specs:
        shown = aliases.get(spec.name, spec.name)
        if shown in own:
            raise LoadError(
                f"aliases: {kind}s '{own[shown]}' and '{spec.name}' would both be '{shown}'"
            )
        own[shown] = spec.name
    return own

"""What ``npformer verify --model`` can be told: the arguments of ``check_model``."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from npformer.cli.arguments import UsageError

if TYPE_CHECKING:
    from npformer.verify.models.result import ModelResult

YesNo = Literal["yes", "no"]


@dataclass(frozen=True)
class ModelOptions:
    """A whole model, and what cannot be seen from it. MODULE:NAME is looked up as for --model."""

    model: str | None = None
    """A whole model: my_package.my_module:name, a family, or a run's directory."""
    causal: YesNo | None = None
    """Whether --model may look at no later token; found out unless given."""
    lengths: tuple[int, ...] = ()
    """Lengths that --model is asked at; block edges and its own thresholds unless given."""
    options: tuple[str, ...] = ()
    """Which settings of --model are tried, norm=pre,post tied=True; none for none at all."""
    padding: tuple[str, ...] = ()
    """The id that fills a batch, or MODULE:NAME, a function (inputs, shown) of mask arguments; of
    several streams by name, source=0 target=my_module:hides."""
    step: str | None = None
    """MODULE:NAME of a function (module, newest, state, *others) -> y, state: one cached step."""
    plain: str | None = None
    """MODULE:NAME of the form that saves no memory, or a function that switches the saving off."""
    call: str | None = None
    """MODULE:NAME of a function (module, *inputs) -> y, where the forward needs more."""
    vocabulary: int | None = None
    """How many token ids there are, where it cannot be seen."""
    width: int | None = None
    """Of the vectors that go in, where it cannot be seen."""
    batch_first: YesNo | None = None
    """Whether the batch is the first axis and the length the second; PyTorch's layers say so."""

    def refuse_without_model(self) -> None:
        """Raise UsageError for an option of a model's where there is none."""
        given = [f for f in dataclasses.fields(self) if getattr(self, f.name) not in (None, ())]
        if given and self.model is None:
            go = "go" if len(given) > 1 else "goes"
            raise UsageError(f"{', '.join(map(_flag, given))} {go} with --model")

    def allowed(self) -> str:
        """The options that go with a model."""
        own = [_flag(f) for f in dataclasses.fields(self) if f.name != "model"]
        return ", ".join([*own, "--inputs, --seed and --json"])


def _flag(option: dataclasses.Field[Any]) -> str:
    return f"--{option.name.replace('_', '-')}"


def check_named(
    name: str,
    given: ModelOptions,
    inputs: str | None,
    seed: int,
    progress: Callable[[str], None],
) -> ModelResult:
    """Ask the model of that name; raises VerifyError, or UsageError for a bad option."""
    from npformer.verify.models.check_model import check_model
    from npformer.verify.models.named import find

    settings = _options(given.options)
    found = find(name)
    return check_model(
        found.module,
        _loaded("--inputs", inputs),
        causal=_yes(given.causal),
        options=found.options if settings is None else settings,
        lengths=given.lengths or None,
        padding=_padding(given.padding),
        step=_loaded("--step", given.step),
        plain=_loaded("--plain", given.plain),
        call=_loaded("--call", given.call),
        vocabulary=given.vocabulary,
        width=given.width,
        batch_first=_yes(given.batch_first),
        seed=seed,
        progress=progress,
    )


def _yes(said: YesNo | None) -> bool | None:
    return None if said is None else said == "yes"


def _loaded(option: str, reference: str | None) -> Any:
    from npformer.verify.subjects.loading import load

    if reference is None:
        return None
    if ":" not in reference:
        raise UsageError(f"{option} is {reference!r}; with --model it must be MODULE:NAME")
    return load(reference)


def _padding(words: tuple[str, ...]) -> Any:
    """An id or a function, or either by stream; None for none."""
    if len(words) == 1 and "=" not in words[0]:
        return _fill(words[0])
    streams = [word.partition("=") for word in words]
    if not all(name and equals and fill for name, equals, fill in streams):
        raise UsageError(
            f"--padding is {' '.join(words)}; write an id, MODULE:NAME, or either by stream: "
            "source=0 target=0"
        )
    return {name: _fill(fill) for name, _, fill in streams} or None


def _fill(word: str) -> Any:
    return int(word) if word.isdecimal() else _loaded("--padding", word)


def _options(words: tuple[str, ...]) -> dict[str, list[Any]] | None:
    """``norm=pre,post``: names with their values; None where nothing is said."""
    if words == ("none",):
        return {}
    found = {}
    for word in words:
        name, equals, values = word.partition("=")
        if not name.isidentifier() or not equals or not values:
            raise UsageError(f"--options {word!r} says nothing; write norm=pre,post, or none")
        found[name] = [_value(each) for each in values.split(",")]
    return found or None


def _value(text: str) -> Any:
    """``True``, ``3`` or ``None`` as Python has them; any other word as it is."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text

"""The fields of a published config: each is read by its family, or deliberately ignored.

A field that is neither is refused by name, for it may be what makes the model another one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from npformer.errors import ConfigError

NEEDED = object()
"""In place of a default: the field must be there."""

IGNORED = {
    "architectures": "which class of the library was saved; model_type names the family",
    "model_type": "chose the family",
    "torch_dtype": "the dtype of the file, whose tensors say it themselves",
    "dtype": "its newer name",
    "transformers_version": "who wrote the file",
    "_name_or_path": "where it was read from",
    "use_cache": "a choice of whoever runs the model",
    "return_dict": "of the library's outputs",
    "output_attentions": "of the library's outputs",
    "output_hidden_states": "of the library's outputs",
    "_attn_implementation_autoset": "of the library's kernels",
    "attn_implementation": "of the library's kernels",
    "gradient_checkpointing": "how it was trained",
    "initializer_range": "how it was initialised",
    "attention_dropout": "in training alone; a run has a dropout of its own",
    "bos_token_id": "for generating; the tokenizer's files are asked",
    "eos_token_id": "for generating; the tokenizer's files are asked",
    "task_specific_params": "for generating, in pipelines",
    "id2label": "of a classifier's head",
    "label2id": "of a classifier's head",
    "chunk_size_feed_forward": "how much is computed at once",
    "auto_map": "code beside the weights, which is never run",
    "transformers.js_config": "of another library",
    "torchscript": "of the library's outputs",
    "use_bfloat16": "of the library's TensorFlow models",
    "tf_legacy_loss": "of the library's TensorFlow models",
    "is_encoder_decoder": "model_type says it",
    "tie_encoder_decoder": "of two models put together",
    "problem_type": "of a classifier's loss",
    "finetuning_task": "what it was trained for",
    "tokenizer_class": "of the tokenizer's files",
    "sep_token_id": "of the tokenizer's files",
    "prefix": "for generating, in pipelines",
    **dict.fromkeys(
        (
            *("max_length", "min_length", "do_sample", "early_stopping", "num_beams"),
            *("num_beam_groups", "diversity_penalty", "temperature", "top_k", "top_p"),
            *("typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size"),
            *("encoder_no_repeat_ngram_size", "num_return_sequences", "output_scores"),
            *("return_dict_in_generate", "remove_invalid_values"),
        ),
        "for generating; older configs hold it",
    ),
}
"""Fields that no family reads, each with the reason."""


class Fields:
    """A config's fields; ``take`` marks one as read, ``refuse_others`` refuses the rest.

    ``names`` are the tensors that there are, by their family's names, for what no field says.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        what: str,
        ignored: Mapping[str, str],
        names: Collection[str] = (),
    ) -> None:
        self._values = values
        self._what = what
        self._ignored = IGNORED.keys() | ignored.keys()
        self._read: set[str] = set()
        self.names = names

    def take(self, name: str, default: Any = NEEDED) -> Any:
        """The field's value, or ``default``. Raises ConfigError if it is needed and absent."""
        self._read.add(name)
        if name in self._values:
            return self._values[name]
        if default is NEEDED:
            raise ConfigError(f"{self._what} lacks {name!r}, without which there is no such model")
        return default

    def given(self, name: str, default: Any = None) -> Any:
        """As ``take``, where null stands for the default too."""
        value = self.take(name, default)
        return default if value is None else value

    def choose(self, name: str, choices: Mapping[Any, Any], default: Any = NEEDED) -> Any:
        """What ``choices`` has for the field's value. Raises ConfigError if it has nothing."""
        value = self.take(name, default)
        if isinstance(value, dict | list) or value not in choices:
            raise ConfigError(
                f"{self._what} has {name} {value!r}; npformer has "
                f"{', '.join(repr(choice) for choice in choices)}"
            )
        return choices[value]

    def only(self, name: str, *allowed: Any) -> None:
        """Read a field that must be absent or one of ``allowed``: npformer has no other."""
        self.choose(name, {value: value for value in allowed}, allowed[0])

    def inside(self, name: str) -> Fields:
        """The fields of a table inside, which are read or refused by themselves.

        Raises ConfigError if it is absent, or no table.
        """
        values = self.take(name)
        if not isinstance(values, dict):
            raise ConfigError(f"{self._what} has {name} {values!r}; it must be a table of fields")
        found = Fields(values, f"{self._what}, in {name},", {}, self.names)
        found._ignored = self._ignored
        return found

    def has(self, name: str) -> bool:
        """Whether the field is there, and not null."""
        return self._values.get(name) is not None

    def refuse_others(self) -> None:
        """Raise ConfigError for the first field that was not read and is not ignored.

        One that is null or empty says as much as one that is absent.
        """
        for name, value in self._values.items():
            if value is None or value in ({}, []):
                continue
            if name not in self._read and name not in self._ignored:
                raise ConfigError(
                    f"{self._what} has {name} {str(value)[:60]!r}, which npformer does not know; "
                    "it may change what the model computes"
                )

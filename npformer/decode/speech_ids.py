"""The ids by which a model that hears is told what to write, as its files say them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from npformer.errors import ConfigError, nearest


class SpeechIds(NamedTuple):
    """What a text begins and ends with, and which ids are no text."""

    start: int
    """That of every text."""
    languages: dict[str, int]
    """By its code, ``de``; none for a model of one language."""
    tasks: dict[str, int]
    """``transcribe`` and ``translate``, into English."""
    forced: tuple[int, ...]
    """What follows the start where there are no languages."""
    no_timestamps: int | None
    """Says that no times are to be written."""
    ends: frozenset[int]
    suppressed: tuple[int, ...]
    """Signs of sounds, music say, and ids that are no text: never written."""
    suppressed_first: tuple[int, ...]
    """A space and the end: no text's first."""

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> SpeechIds:
        """Those of a generation_config.json; raises ConfigError without a start and an end."""

        def needed(name: str) -> Any:
            """That entry; raises ``ConfigError`` if it is missing."""
            if said.get(name) is None:
                raise ConfigError(
                    f"the model's files do not say {name}; there must be a generation_config.json "
                    "that does beside its weights: put it there, and load it again"
                )
            return said[name]

        several = said.get("is_multilingual") is not False
        end = needed("eos_token_id")
        forced = [each[1] for each in said.get("forced_decoder_ids") or ()]
        return cls(
            start=needed("decoder_start_token_id"),
            languages={
                name.strip("<|>"): each
                for name, each in (said.get("lang_to_id") or {}).items()
                if several
            },
            tasks=dict(said.get("task_to_id") or {}),
            forced=tuple(each for each in forced if each is not None),
            no_timestamps=said.get("no_timestamps_token_id"),
            ends=frozenset(end if isinstance(end, list) else [end]),
            suppressed=tuple(said.get("suppress_tokens") or ()),
            suppressed_first=tuple(said.get("begin_suppress_tokens") or ()),
        )

    def begin(self, language: int | None, task: str) -> list[int]:
        """What a text begins with. Raises ConfigError for a task that the model has not."""
        ids = [self.start]
        if self.languages and language is not None:
            ids.append(language)
            if task in self.tasks:
                ids.append(self.tasks[task])
        else:
            ids += self.forced
        if task != "transcribe" and not (self.languages and task in self.tasks):
            raise ConfigError(f"this model does not {task}; it writes what it hears")
        if self.no_timestamps is not None and ids[-1] != self.no_timestamps:
            ids.append(self.no_timestamps)
        return ids

    def language(self, code: str) -> int | None:
        """The id of a language. Raises ConfigError for one that the model does not know."""
        if not self.languages:
            if code != "en":
                raise ConfigError(f"language is {code!r}; this model knows English alone")
            return None
        if code not in self.languages:
            raise ConfigError(
                f"language is {code!r}, which this model does not know; it knows "
                f"{', '.join(self.languages)}" + nearest(code, self.languages)
            )
        return self.languages[code]

"""The vocabulary in a GGUF file as the files of a tokenizer, beside a published model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tokenizers

from npformer.errors import TokenizerError
from npformer.pretrained.names import GENERATION, TEMPLATE, TOKENIZER, TOKENIZER_CONFIG
from npformer.pretrained.vocabularies.added import add_tokens, put_around
from npformer.pretrained.vocabularies.byte_pairs import byte_pairs
from npformer.pretrained.vocabularies.sentence_pieces import SPACE, sentence_pieces

UNKNOWN, CONTROL, USER_DEFINED, BYTE = 2, 3, 4, 6
"""Types of tokens, by the format's numbers."""
ENDS = ("eos_token_id", "eot_token_id", "eom_token_id")
"""What names an id that ends a text."""
ENDING_NAMES = ("<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<end_of_turn>")
"""Special tokens that end a text or a turn, whatever the file says; llama.cpp stops at them too."""
BEGINS_WITH_BOS = ("llama-bpe", "llama3", "llama-v3")
"""Cuts of byte pairs whose texts have BOS before them, where the file does not say."""


class Vocabulary(Mapping[str, bytes]):
    """Files by their names, each made when asked for.

    Raises TokenizerError, when asked, for a vocabulary that is missing, damaged, or of a kind that
    npformer has not.
    """

    def __init__(self, metadata: Mapping[str, Any], path: Path) -> None:
        self._metadata, self._path = metadata, path
        self._makers = {
            TOKENIZER: self._tokenizer,
            TOKENIZER_CONFIG: self._tokenizer_config,
            GENERATION: self._generation,
        }
        if "tokenizer.chat_template" in metadata:
            self._makers[TEMPLATE] = lambda: str(metadata["tokenizer.chat_template"])

    def __getitem__(self, name: str) -> bytes:
        return self._makers[name]().encode()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def _said(self, name: str, default: Any = None) -> Any:
        return self._metadata.get(f"tokenizer.ggml.{name}", default)

    def _tokens(self) -> list[str]:
        tokens = self._said("tokens")
        if not isinstance(tokens, list):
            raise TokenizerError(f"{self._path} holds no vocabulary")
        return tokens

    def _tokenizer(self) -> str:
        tokens = self._tokens()
        kinds = self._said("token_type", [1] * len(tokens))
        model = self._said("model")
        try:
            core = self._core(tokens, kinds)
        except TokenizerError as error:
            raise TokenizerError(f"{self._path}: {error}") from error
        special = [t for t, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
        plain = [t for t, kind in zip(tokens, kinds, strict=True) if kind == USER_DEFINED]
        spaces = [SPACE * len(t) for t in plain if not t.strip(f" {SPACE}")]
        add_tokens(
            core,
            special,
            [t for t in plain if t.strip(f" {SPACE}")],
            # The space that a prefix puts first would be put before each of these as well.
            [] if self._said("add_space_prefix", True) else spaces,
        )
        begins = model == "llama" or self._said("pre") in BEGINS_WITH_BOS
        put_around(
            core,
            self._named("bos_token_id") if self._said("add_bos_token", begins) else None,
            self._named("eos_token_id") if self._said("add_eos_token", False) else None,
        )
        return str(core.to_str())

    def _core(self, tokens: list[str], kinds: list[int]) -> tokenizers.Tokenizer:
        model = self._said("model")
        if model == "gpt2":
            gpt2 = self._metadata.get("general.architecture") == "gpt2"
            cut = self._said("pre", "gpt-2" if gpt2 else None)
            vocabulary = {token: n for n, token in enumerate(tokens)}
            return byte_pairs(vocabulary, self._said("merges", []), cut)
        if model == "llama":
            unknown = next(
                (t for t, kind in zip(tokens, kinds, strict=True) if kind == UNKNOWN), None
            )
            return sentence_pieces(
                tokens,
                self._said("scores", []),
                unknown,
                bytes_too=BYTE in kinds,
                prefix=bool(self._said("add_space_prefix", True)),
            )
        raise TokenizerError(
            f"its vocabulary is of the kind {model!r}; npformer reads 'gpt2' and 'llama'"
        )

    def _named(self, name: str) -> str | None:
        tokens, i = self._tokens(), self._said(name)
        return tokens[i] if i is not None and i < len(tokens) else None

    def _tokenizer_config(self) -> str:
        found = {"tokenizer_class": "PreTrainedTokenizerFast"}
        for name, field in (
            ("bos_token", "bos_token_id"),
            ("eos_token", "eos_token_id"),
            ("pad_token", "padding_token_id"),
            ("unk_token", "unknown_token_id"),
        ):
            if (token := self._named(field)) is not None:
                found[name] = token
        return json.dumps(found, ensure_ascii=False, indent=2) + "\n"

    def _generation(self) -> str:
        tokens = self._tokens()
        kinds = self._said("token_type", [1] * len(tokens))
        ends = {self._said(name) for name in ENDS} - {None}
        ends |= {
            n for n, token in enumerate(tokens) if kinds[n] == CONTROL and token in ENDING_NAMES
        }
        found = {"bos_token_id": self._said("bos_token_id"), "eos_token_id": sorted(ends)}
        return (
            json.dumps({name: value for name, value in found.items() if value is not None}) + "\n"
        )

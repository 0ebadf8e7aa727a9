"""Text to token ids and back: characters, words, or byte-level byte-pair encoding.

One vocabulary serves both languages, as the paper's does (section 5.1), so that the embedding
can be shared. The four special ids come first; no text encodes to them, except that a character
or word outside the vocabulary becomes ``UNK``.

=======  ==========================================================  =========================
kind     a token is                                                  decode(encode(s)) == s
=======  ==========================================================  =========================
bpe      a run of UTF-8 bytes (Sennrich et al., 2016; Radford et     always
         al., 2019): any text can be written
word     a word or one mark, with the space before it                if each was in training
char     one code point                                              if each was in training
=======  ==========================================================  =========================

``bpe`` and ``word`` see the text with one space in front, so that a word is the same token at
the start of a sentence as inside it; ``decode`` takes that space away again.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import tokenizers
from tokenizers import Regex, models, normalizers, pre_tokenizers, trainers

from npformer.errors import TokenizerError, nearest
from npformer.text.byte_alphabet import byte_letters, readable
from npformer.text.rust_library import not_text, panics_as_errors

PAD, UNK, BOS, EOS = 0, 1, 2, 3
"""Ids that fill a batch, stand for the unknown, begin a target and end a sentence."""

KINDS = ("bpe", "word", "char")

SPECIAL_NAMES = ("<pad>", "<unk>", "<bos>", "<eos>")
"""How ``Tokenizer.tokens`` shows the special ids."""

MASK = "[MASK]"
"""What stands for a hidden token where somebody writes a text."""

UNKNOWN_MARK = "⁇"
"""What ``Tokenizer.decode`` writes for ``UNK``."""

# These brackets are neither letters of the byte alphabet nor part of a word, and a character
# is shorter: no training text can give an ordinary token the name of a special one.
_SPECIALS = ["⟨pad⟩", "⟨unk⟩", "⟨bos⟩", "⟨eos⟩"]

_CHUNK = 16_384  # texts encoded at once: the library's results take much memory until read


class Tokenizer:
    """A trained vocabulary of one of ``KINDS``. Make one with ``train`` or ``load``."""

    kind: str
    before: tuple[int, ...] = ()
    """Ids that stand before a source."""
    close: tuple[int, ...] = (EOS,)
    """Ids that stand after a whole text."""
    ends: frozenset[int] = frozenset({EOS})
    """Ids that end a text which a model writes."""
    silent: tuple[int, ...] = (PAD, UNK, BOS)
    """Ids that a model does not write."""

    @property
    def mask(self) -> int | None:
        """The id of a token that is hidden from a model; None if there is no such id."""
        return UNK  # a token that nobody knows

    def __init__(self, core: tokenizers.Tokenizer, kind: str) -> None:
        core.encode_special_tokens = True  # "⟨pad⟩" in a text is text
        self._core = core
        self.kind = kind
        self._pieces = _pieces(core, kind)

    @classmethod
    def train(cls, texts: Iterable[str], kind: str, vocab_size: int) -> Tokenizer:
        """Learn a vocabulary of at most ``vocab_size`` entries, special ones included.

        The same texts give the same vocabulary. Raises ``TokenizerError`` for a kind that does
        not exist, a size without room for the 256 bytes, or texts that are all empty.
        """
        if kind not in KINDS:
            raise TokenizerError(
                f"tokenizer {kind!r} does not exist; choose one of {', '.join(KINDS)}"
                + nearest(kind, KINDS)
            )
        least = len(_SPECIALS) + (256 if kind == "bpe" else 1)
        if vocab_size < least:
            raise TokenizerError(
                f"vocab_size is {vocab_size}; a {kind} tokenizer needs {least} or more"
            )
        texts = iter(texts)
        first = next((text for text in texts if text), None)
        if first is None:
            raise TokenizerError("there is no text to train a tokenizer on")
        core = _blank(kind)
        trainer = (
            trainers.BpeTrainer(
                vocab_size=vocab_size,
                special_tokens=_SPECIALS,
                initial_alphabet=sorted(byte_letters()),
                show_progress=False,
            )
            if kind == "bpe"
            else trainers.WordLevelTrainer(
                vocab_size=vocab_size, special_tokens=_SPECIALS, show_progress=False
            )
        )
        try:
            core.train_from_iterator(itertools.chain([first], texts), trainer)
        except (TypeError, UnicodeEncodeError) as error:
            raise TokenizerError(f"the tokenizer cannot train on these texts: {error}") from error
        return cls(core, kind)

    @property
    def vocab_size(self) -> int:
        """Entries of the vocabulary, special ones included."""
        return len(self._pieces)

    @property
    def begin(self) -> tuple[int, ...]:
        """Ids that stand before a text that is read from its beginning, or written."""
        return (BOS,)

    @property
    def opening(self) -> tuple[int, ...]:
        """Ids that a written text begins with in training, where all but the first are asked for.

        Raises as ``begin``.
        """
        return self.begin

    @property
    def first(self) -> int:
        """The id that a text begins with."""
        return self.begin[-1]

    @property
    def last(self) -> tuple[int, ...]:
        """The ids after a whole text from which a model learns to end one.

        Where the tokenizer puts none there, the first of those that end what a model writes.
        """
        return self.close or tuple(sorted(self.ends)[:1])

    def source(self, ids: Iterable[int]) -> list[int]:
        """The ids of a source, from those of its text alone."""
        return [*self.before, *ids, *self.close]

    def whole(self, ids: Iterable[int]) -> list[int]:
        """The ids of a text that is read from its beginning to its end, from those of it alone."""
        return [*self.begin, *ids, *self.close]

    def between(self, source: str | None, target: str | None) -> Tokenizer:
        """The same tokenizer, for texts of these languages by their names; None is as it was.

        A source's language that the model is not told is no error. Raises TokenizerError for a
        target's that it is not told, and for languages that it has not.
        """
        if target is not None:
            raise TokenizerError(
                f"this model is told no language, and the target's is given as {target!r}; leave "
                "it out"
            )
        return self

    def fits(self, rows: int) -> bool:
        """Whether this is the tokenizer of a model whose embedding has so many rows."""
        return self.vocab_size == rows

    def prompt(self, text: str) -> list[int]:
        """The ids of a text that is to go on, with those that begin one; raises as ``encode``."""
        return [*self.begin, *self.encode(text)]

    def encode(self, text: str) -> list[int]:
        """The ids of ``text``, without BOS and EOS.

        Raises ``TokenizerError`` for text that UTF-8 cannot write (a lone surrogate).
        """
        try:
            return self._core.encode(text, add_special_tokens=False).ids
        except TypeError as error:
            raise not_text(text) from error

    def encode_masked(self, text: str) -> list[int]:
        """``encode`` of a text in which ``[MASK]`` stands for a hidden token.

        Raises TokenizerError as ``encode``, and where there is no id of a hidden token.
        """
        if self.mask is None:
            raise TokenizerError("this model's tokenizer has no [MASK] or <mask>")
        first, *rest = text.split(MASK)
        ids = self.encode(self._before_mask(first))
        for n, piece in enumerate(rest, 1):
            following = piece if n == len(rest) else self._before_mask(piece)
            ids += [self.mask, *self._encode_rest(following)]
        return ids

    def _before_mask(self, piece: str) -> str:
        """A hidden token has the space before it, as words have."""
        return piece if self.kind == "char" else piece.removesuffix(" ")

    def _encode_rest(self, piece: str) -> list[int]:
        """The ids of what does not begin a text: no space is put before it."""
        core = tokenizers.Tokenizer.from_str(self._core.to_str())
        core.encode_special_tokens = True
        core.normalizer = normalizers.Sequence([])
        return core.encode(piece, add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """``encode`` of each text, on all cores."""
        ids: list[list[int]] = []
        for start in range(0, len(texts), _CHUNK):
            chunk = list(texts[start : start + _CHUNK])
            try:
                encoded = self._core.encode_batch_fast(chunk, add_special_tokens=False)
            except TypeError:
                encoded = None
            ids += [self.encode(t) for t in chunk] if encoded is None else [e.ids for e in encoded]
        return ids

    def encode_written(self, texts: Sequence[str]) -> list[list[int]]:
        """``encode`` of each text as one that a model writes, where a source has other ids."""
        return self.encode_batch(texts)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``: special ids vanish, ``UNK`` becomes ``⁇``.

        Bytes that are not UTF-8, which only a model can produce, become U+FFFD. An id outside
        the vocabulary raises ``IndexError``.
        """
        text = b"".join(self._piece(i) for i in ids).decode("utf-8", errors="replace")
        return text[1:] if self.kind != "char" and text.startswith(" ") else text

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """A readable name for each id, for the axes of an attention map.

        A space shows as ``▁``, a byte that is part of a character as ``‹C3›``, a special id by
        its name in ``SPECIAL_NAMES``. An id outside the vocabulary raises ``IndexError``.
        """
        return [
            SPECIAL_NAMES[i] if 0 <= i < len(SPECIAL_NAMES) else readable(self._piece(i))
            for i in ids
        ]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one JSON file in the ``tokenizers`` library's own format."""
        Path(path).write_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """The content of the file that ``save`` writes."""
        return self._core.to_str(pretty=True).encode()

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tokenizer:
        """Read what ``save`` wrote; raises ``TokenizerError`` if it is missing, damaged or foreign.

        The file holds the rule that cuts text into pieces, and the rule tells the kind.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise TokenizerError(f"there is no tokenizer file {str(path)!r}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise TokenizerError(f"cannot read tokenizer {str(path)!r}: {error}") from error
        try:
            json.loads(text)
            with panics_as_errors():
                core = tokenizers.Tokenizer.from_str(text)
        except Exception as error:  # the library raises plain Exception
            raise TokenizerError(f"{str(path)!r} is no tokenizer, or damaged: {error}") from error
        kind = next((kind for kind in KINDS if _rules(core) == _rules(_blank(kind))), None)
        if kind is None:
            raise TokenizerError(f"{str(path)!r} is a tokenizer that npformer did not write")
        _check_vocabulary(core, kind, str(path))
        return cls(core, kind)

    def _piece(self, i: int) -> bytes:
        if not 0 <= i < len(self._pieces):
            raise IndexError(f"token id {i} is not in [0, {len(self._pieces)})")
        return self._pieces[i]

    def __repr__(self) -> str:
        return f"Tokenizer(kind={self.kind!r}, vocab_size={self.vocab_size})"


def _blank(kind: str) -> tokenizers.Tokenizer:
    """The untrained tokenizer of a kind: how it normalises text and cuts it into pieces."""
    if kind == "bpe":
        core = tokenizers.Tokenizer(models.BPE())
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        core = tokenizers.Tokenizer(models.WordLevel(unk_token=_SPECIALS[UNK]))
        pattern = r" ?\w+| ?[^\w\s]|\s" if kind == "word" else r"[\s\S]"
        core.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    if kind != "char":
        core.normalizer = normalizers.Prepend(" ")
    return core


def _rules(core: tokenizers.Tokenizer) -> tuple[object, ...]:
    """All of a tokenizer but its vocabulary, in a form that can be compared."""
    whole = json.loads(core.to_str())
    parts = ("normalizer", "pre_tokenizer", "post_processor", "truncation", "padding", "decoder")
    model = {k: v for k, v in whole["model"].items() if k not in ("vocab", "merges")}
    return (model, *(whole[part] for part in parts))


def _check_vocabulary(core: tokenizers.Tokenizer, kind: str, path: str) -> None:
    vocabulary = core.get_vocab()
    if [vocabulary.get(name) for name in _SPECIALS] != [PAD, UNK, BOS, EOS]:
        raise TokenizerError(f"{path!r} does not hold npformer's special tokens at ids 0 to 3")
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise TokenizerError(f"{path!r} is damaged: its ids are not 0 to {len(vocabulary) - 1}")
    if kind == "bpe":
        letters = byte_letters().keys()
        ordinary = vocabulary.keys() - set(_SPECIALS)
        if not letters <= ordinary or not letters >= set().union(*ordinary):
            raise TokenizerError(f"{path!r} is damaged: its vocabulary does not spell every byte")


def _pieces(core: tokenizers.Tokenizer, kind: str) -> list[bytes]:
    """The UTF-8 bytes that each id stands for."""
    letters = byte_letters()
    pieces = [b""] * core.get_vocab_size()
    for name, i in core.get_vocab().items():
        pieces[i] = bytes(letters[c] for c in name) if kind == "bpe" and i > EOS else name.encode()
    pieces[PAD] = pieces[BOS] = pieces[EOS] = b""
    pieces[UNK] = (UNKNOWN_MARK if kind == "char" else " " + UNKNOWN_MARK).encode()
    return pieces

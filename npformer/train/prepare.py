"""From a configuration to everything that training needs: corpus, tokenizer, batches."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from npformer.config import DataConfig, RunConfig
from npformer.errors import ConfigError
from npformer.models import family
from npformer.models.loss import NO_TARGET
from npformer.text.batches import Batches, evaluation_batches
from npformer.text.corpus import ParallelCorpus, is_plain_text, load_corpus
from npformer.text.masking import MaskedBatches, Masking, encode_whole, masked_evaluation
from npformer.text.pairs import EncodedPairs, Pairs, encode_pairs, encode_texts
from npformer.text.shard_manifest import MANIFEST, read_manifest
from npformer.text.shards import ShardedPairs
from npformer.text.tokenizer import KINDS, PAD, Tokenizer
from npformer.train.make_shards import make_shards
from npformer.train.prepare_judged import prepare_judged
from npformer.train.prepared import Prepared
from npformer.train.validation import Validation


def prepare(config: RunConfig, tokenizer: Tokenizer | None = None) -> Prepared:
    """Load the corpus that ``config.data`` names, train its tokenizer, and encode both.

    Where ``data.shards`` names a directory, the training pairs are read from its shards, which are
    made first if they are not there; whole ones need no corpus. Both ways give the same tokenizer
    (up to ``make_shards.TOKENIZER_PAIRS`` pairs) and the same batches.

    A model that reads no source may have a plain text for its corpus. Its documents are cut where
    they are longer than ``data.max_length`` tokens. One that sees a text whole predicts the tokens
    of it that are hidden (``text/masking.py``).

    Where ``config.preferences`` says how, the corpus is of answers that were judged
    (``prepare_judged.py``).

    A resumed run passes the ``tokenizer`` of its checkpoint, one that begins with a trained model
    that model's. Of a published one that reads no source the texts are the targets, each with the
    id after it that ends a text. A batch's padding has no target there, for any id may be a word of
    a published model. Raises ``ConfigError`` for a model that does not fit the data,
    ``CorpusError`` and ``TokenizerError``.
    """
    published = tokenizer is not None and tokenizer.kind not in KINDS
    data, model = config.data, config.model
    if model.max_length < data.max_length:
        raise ConfigError(
            f"data.max_length is {data.max_length}, but the model takes sequences of up to "
            f"{model.max_length} tokens: raise model.max_length or lower data.max_length"
        )
    if model.idle:
        raise ConfigError(model.idle)
    if model.padding_id != PAD and not published:
        raise ConfigError(f"padding_id is {model.padding_id}; npformer's tokenizers pad with {PAD}")
    if config.preferences.judged:
        return prepare_judged(config, tokenizer)
    whole = not family(model.family).decodes
    if whole and not model.masked_head:
        raise ConfigError(
            "this model has no head that predicts tokens (masked_head is off), and is trained by "
            "nothing else; take one that has it"
        )
    streams = family(model.family).streams
    translates = "source" in streams
    plain = not translates and is_plain_text(data.corpus)
    text = plain or (published and not translates)
    if data.pack and not family(model.family).packs:
        raise ConfigError(
            f"--pack puts several texts into one row, and model {model.family!r} cannot keep them "
            "apart; leave --pack out"
        )
    pairs: Pairs
    if data.shards:
        if whole:
            raise ConfigError(
                f"shards are read by models that predict the next token, and {model.family} sees "
                "it: leave --shards out"
            )
        if published:
            raise ConfigError(
                "shards have a tokenizer that was trained with them, and this model has a "
                "published one: leave --shards out"
            )
        if plain:
            raise ConfigError(
                f"{data.corpus} is plain text, and shards are of pairs: leave --shards out"
            )
        shards = _shards(data, tokenizer)
        pairs, held_out, left_out = shards, shards.validation(), shards.left_out
        notes = shards.notes
        empty, shared = (shards.manifest.total(what) for what in ("empty", "shared"))
        tokenizer = shards.tokenizer()
    else:
        training, held_out = load_corpus(data, text=not translates)
        notes = training.notes
        if tokenizer is None:
            texts = training.target if plain else [*training.source, *training.target]
            tokenizer = Tokenizer.train(texts, data.tokenizer, data.vocab_size)
        if whole:
            return _prepare_whole(
                config, tokenizer, training, held_out, "document" if plain else "pair"
            )
        pad = model.padding_id if published and translates else PAD
        pairs = encoded = encode(training, tokenizer, data.max_length, text=text, pad=pad)
        left_out, empty, shared = encoded.left_out, training.empty, training.shared
    if not tokenizer.fits(model.vocab_size):
        model = dataclasses.replace(model, vocab_size=tokenizer.vocab_size)
        config = dataclasses.replace(config, model=model)
    # A published model's window is far longer than what a training batch may have room for.
    longest = data.max_length if published else model.max_length
    held_out_pairs = encode(held_out, tokenizer, longest, text=text, pad=pairs.pad)
    # One long validation pair may fill a batch of its own; a training pair may not.
    budget = max(data.batch_tokens, longest)
    no_target = NO_TARGET if published else PAD
    if text and not tokenizer.last:
        notes = (*notes, "this model has no id that ends a text, and will not learn to end one")
    pack = data.max_length if data.pack else 0
    return Prepared(
        config=config,
        tokenizer=tokenizer,
        batches=Batches(
            pairs, data.batch_tokens, config.train.seed, streams, pack=pack, no_target=no_target
        ),
        validation=Validation(
            evaluation_batches(held_out_pairs, budget, streams, no_target=no_target),
            held_out.source,
            held_out.target,
            tokenizer,
            count=config.train.validation_pairs if translates else 0,
            max_length=model.max_length,
            beam=config.train.validation_beam,
        ),
        validation_corpus=held_out,
        left_out=left_out,
        notes=notes,
        empty=empty,
        shared=shared,
        validation_left_out=held_out_pairs.left_out,
        what="document" if plain else "pair",
    )


def masked_texts(
    config: RunConfig, tokenizer: Tokenizer, corpus: ParallelCorpus, max_length: int
) -> tuple[EncodedPairs, Masking]:
    """A corpus for a model that sees a text whole, and how its tokens are hidden.

    Raises ConfigError, CorpusError and TokenizerError.
    """
    padding = config.model.padding_id
    probability = config.data.mask_probability
    masking = Masking.of(tokenizer, probability, padding=padding, no_target=NO_TARGET)
    return encode_whole(corpus, tokenizer, max_length, masking.around), masking


def _prepare_whole(
    config: RunConfig,
    tokenizer: Tokenizer,
    training: ParallelCorpus,
    held_out: ParallelCorpus,
    what: str,
) -> Prepared:
    """As ``prepare``, for a model that predicts hidden tokens of a text that it sees whole."""
    data, model = config.data, config.model
    if not tokenizer.fits(model.vocab_size):
        config = dataclasses.replace(
            config, model=dataclasses.replace(model, vocab_size=tokenizer.vocab_size)
        )
    texts, masking = masked_texts(config, tokenizer, training, data.max_length)
    held_out_texts, _ = masked_texts(config, tokenizer, held_out, data.max_length)
    return Prepared(
        config=config,
        tokenizer=tokenizer,
        batches=MaskedBatches(texts, data.batch_tokens, config.train.seed, masking),
        validation=Validation(
            masked_evaluation(held_out_texts, max(data.batch_tokens, data.max_length), masking),
            held_out.source,
            held_out.target,
            tokenizer,
            count=0,
            max_length=model.max_length,
            beam=config.train.validation_beam,
        ),
        validation_corpus=held_out,
        left_out=0,
        notes=training.notes,
        empty=training.empty,
        shared=training.shared,
        what=what,
    )


def encode(
    corpus: ParallelCorpus, tokenizer: Tokenizer, max_length: int, *, text: bool, pad: int = PAD
) -> EncodedPairs:
    """Tokenize pairs, or as ``text`` the targets alone; ``pad`` fills a batch.

    Raises ``CorpusError``, and ``TokenizerError`` for one without an id that ends a text.
    """
    if text:
        return encode_texts(corpus, tokenizer, max_length, tokenizer.last)
    return encode_pairs(corpus, tokenizer, max_length, pad)


def _shards(data: DataConfig, tokenizer: Tokenizer | None) -> ShardedPairs:
    """The shards in ``data.shards``: opened if they are finished, which many processes may do."""
    directory = Path(data.shards)
    if not (directory / MANIFEST).exists() or not read_manifest(directory).complete:
        return make_shards(data, directory, tokenizer=tokenizer)
    shards = ShardedPairs(directory, data)
    if tokenizer is not None:
        shards.check_tokenizer(tokenizer)
    return shards

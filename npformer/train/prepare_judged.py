"""From a configuration to answers that were judged, in batches."""

from __future__ import annotations

from npformer.config import RunConfig
from npformer.errors import ConfigError
from npformer.models import family
from npformer.models.loss import NO_TARGET
from npformer.text.judged import load_judged
from npformer.text.judged_batches import EncodedJudged, JudgedBatches, encode_judged
from npformer.text.tokenizer import KINDS, PAD, Tokenizer
from npformer.train.judged_validation import JudgedValidation
from npformer.train.prepared import Prepared


def prepare_judged(config: RunConfig, tokenizer: Tokenizer | None) -> Prepared:
    """Load the answers that ``config.data`` names, and encode them.

    Raises ``ConfigError`` without the tokenizer of a model that was trained before and for settings
    that do not go with answers, ``CorpusError`` and ``TokenizerError``.
    """
    data, model, preferences = config.data, config.model, config.preferences
    if tokenizer is None:
        raise ConfigError(
            "prefer compares a model with what it was before, so it begins with a trained one; "
            "give --from"
        )
    kind = family(model.family)
    if not kind.decodes:
        raise ConfigError(
            f"model {model.family!r} writes no answers, so none of its own can be preferred; leave "
            "--prefer out"
        )
    for name, value in (
        ("train.label_smoothing", config.train.label_smoothing),
        ("train.z_loss", config.train.z_loss),
        ("data.pack", data.pack),
        ("data.shards", data.shards),
    ):
        if value:
            option = name.rpartition(".")[2].replace("_", "-")
            raise ConfigError(
                f"{name} is {value!r}, and is for texts whose every token is learned; with "
                f"--prefer, leave --{option} out, or 0"
            )
    if getattr(model, "auxiliary", False):
        raise ConfigError(
            "this model has further losses or choices of tokens (expert_balance_loss, "
            "expert_z_loss, expert_bias_rate, expert_capacity or predict_ahead), and answers are "
            "judged whole; --prefer takes a model without them"
        )
    training, held_out = load_judged(
        data.corpus, data.validation, data.pairs, answers=preferences.answers
    )
    translates = "source" in kind.streams
    published = tokenizer.kind not in KINDS
    pad = model.padding_id if published and model.padding_id is not None else PAD

    def batches(encoded: EncodedJudged) -> JudgedBatches:
        longest = int(encoded.lengths().max())
        budget = data.batch_tokens if encoded is train else max(data.batch_tokens, longest)
        return JudgedBatches(
            encoded,
            budget,
            config.train.seed,
            kind.streams,
            pad=pad,
            no_target=NO_TARGET if published else PAD,
        )

    train = encode_judged(training, tokenizer, data.max_length, translates=translates)
    looked_at = encode_judged(held_out, tokenizer, data.max_length, translates=translates)
    alike = (
        f"{training.alike:,} pairs of {data.corpus} have two answers that are the same, and were "
        "passed over"
    )
    return Prepared(
        config=config,
        tokenizer=tokenizer,
        batches=batches(train),
        validation=JudgedValidation(batches(looked_at), preferences),
        validation_corpus=held_out.part(looked_at.kept).as_pairs(),
        left_out=train.left_out,
        notes=(alike,) if training.alike else (),
        shared=training.shared,
        validation_left_out=looked_at.left_out,
        what="preference" if preferences.answers == 2 else "judged answer",
    )

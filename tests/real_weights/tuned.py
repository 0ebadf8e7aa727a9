"""SmolLM2 trained further: what chapter 24 shows of it, the picture and the figures.

One token's gradient on its way down through thirty layers, and then adapters on the embedded
grammar: each English sentence with its German one behind it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from npformer.cli.main import main as npformer
from npformer.data.grammar import generate as sentences
from npformer.nn import Layer
from npformer.ops import cross_entropy_backward, cross_entropy_forward
from npformer.pretrained import Pretrained, from_pretrained
from npformer.seam import watching
from npformer.train.engines import load_model
from npformer.train.run_directory import load_checkpoint
from tests.pretrained import measure
from tests.real_weights.packages import fetched
from tests.real_weights.smollm2 import BEGUN, FILE, PACKAGE

PICTURE = Path(__file__).parents[2] / "walkthroughs" / "_static" / "smollm2_gradient.png"
TEXTS, HELD_OUT, UPDATES, NEW = 2000, 12, 24, 16
ENGLISH = (
    "The museum opens at nine in the morning and closes at five.",
    "She put the letter on the table and left the house without a word.",
    "Water boils at a lower temperature on a high mountain.",
    "They had walked for hours before they saw the first light of the village.",
)
"""Of no grammar: what the model may lose."""


def followed(found: Pretrained, text: str, token: str) -> tuple[list[str], np.ndarray]:
    """The tokens of a text, and the norms (layers + 1, T) of the gradient below each layer.

    It is that of the loss of ``token`` behind the last one, and of nothing else.
    """
    tokenizer, model, norms = found.tokenizer(), found.model, []

    def look(call: Any, run: Any, *args: Any, **kwargs: Any) -> Any:
        result = run(*args, **kwargs)
        if call.is_backward and type(call.owner) is Layer and call.name == "backward":
            if not norms:
                norms.append(np.linalg.norm(args[0][0], axis=-1))
            norms.append(np.linalg.norm(result[0], axis=-1))
        return result

    ids = tokenizer.encode(text)
    logits, cache = model.forward(np.array([ids]))
    _, of_loss = cross_entropy_forward(logits[:, -1], np.array(tokenizer.encode(token)))
    dlogits = np.zeros_like(logits)
    dlogits[:, -1] = cross_entropy_backward(np.ones((), logits.dtype), of_loss)
    for parameter in model.parameters():
        parameter.trainable = False  # the stream's gradient alone is looked at
    with watching(look):
        model.backward(dlogits, cache)
    return tokenizer.tokens(ids), np.array(norms[::-1])


def draw(tokens: list[str], norms: np.ndarray, path: Path) -> None:
    """The norms as a picture, the top layer above, colours by powers of ten."""
    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from matplotlib.colors import LogNorm

    figure, axes = plt.subplots(figsize=(7, 4.6), layout="constrained")
    image = axes.imshow(
        np.maximum(norms, 1e-3),
        origin="lower",
        aspect="auto",
        cmap="magma",
        norm=LogNorm(1e-3, norms.max()),
    )
    axes.set_xticks(range(len(tokens)), [token.strip("▁") for token in tokens])
    axes.set_xlabel("token that is read")
    axes.set_ylabel("below layer")
    figure.colorbar(image, label="norm of the stream's gradient")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(wheels: Path) -> str:
    """Prints what the chapter records, and writes its picture."""
    file = fetched(PACKAGE, wheels) / FILE
    tokens, norms = followed(from_pretrained(file), BEGUN, " Paris")
    draw(tokens, norms, PICTURE)
    print("layer  " + " ".join(f"{token.strip('▁'):>8}" for token in tokens))
    for layer in (30, 29, 28, 25, 20, 15, 10, 5, 2, 1, 0):
        print(f"{layer:5}  " + " ".join(f"{norm:8.3f}" for norm in norms[layer]))
    with tempfile.TemporaryDirectory() as temporary:
        return tune(file, Path(temporary))


def tune(file: Path, directory: Path) -> str:
    """Adapters on the grammar; loss and text before and after, and what has moved."""
    held_out = list(sentences("validation", HELD_OUT, 0))
    write(directory / "texts.txt", map(text_of, sentences("train", TEXTS, 0)))
    write(directory / "held_out.txt", map(text_of, held_out[:4]))
    tuned, began = directory / "tuned", time.process_time()
    words = (
        *("train", tuned, "--from", file, "--lora", 8, "--lora-targets", "all", "--workers", 1),
        *("--corpus", directory / "texts.txt", "--validation", directory / "held_out.txt"),
        *("--max-length", 64, "--batch-tokens", 192, "--updates", UPDATES),
        *("--optim.learning-rate", 2e-3, "--optim.warmup", 5, "--validate-every", UPDATES),
        *("--checkpoint-every", UPDATES, "--keep", 1),
    )
    assert npformer([str(word) for word in words]) == 0
    print(f"{time.process_time() - began:.0f} seconds of CPU")
    found = from_pretrained(file)
    after = found._replace(model=load_model(tuned).model)
    for what, texts in (("grammar", [*map(text_of, held_out)]), ("other English", ENGLISH)):
        print(f"{what:14} {loss(found, texts):.2f} -> {loss(after, texts):.2f} nats a token")
    for begun in (*(f"{pair.source} =" for pair in held_out[:3]), BEGUN):
        print(repr(begun))
        for each in (found, after):
            ids = np.array([each.tokenizer().prompt(begun)])
            print(f"  {each.tokenizer().decode(measure.greedy(each, ids, NEW)[0])!r}")
    return moved(found, tuned)


def text_of(pair: Any) -> str:
    """Both sides of a pair as one text."""
    return f"{pair.source} = {pair.target}"


def moved(found: Pretrained, tuned: Path) -> str:
    """How far adapters have moved the matrices of some layers, as a share of their norms."""
    weights = load_checkpoint(tuned)[0].weights
    names = ("self_attn.q_proj", "self_attn.v_proj", "self_attn.out_proj", "feed_forward.down_proj")
    lines = ["layer  " + "  ".join(f"{name.partition('.')[2]:>9}" for name in names)]
    frozen = found.model.state_dict()
    for layer in (29, 25, 20, 15, 10, 5, 0):
        shares = []
        for name in names:
            path = f"decoder.layers.{layer}.{name}"
            change = weights[f"{path}.up"] @ weights[f"{path}.down"]  # alpha is the rank
            shares.append(np.linalg.norm(change) / np.linalg.norm(frozen[f"{path}.weight"]))
        lines.append(f"{layer:5}  " + "  ".join(f"{share:9.1%}" for share in shares))
    return "\n".join(lines)


def loss(found: Pretrained, texts: Sequence[str]) -> float:
    """In nats a token, of texts one by one."""
    nats, tokens = 0.0, 0
    for text in texts:
        ids = np.array([found.tokenizer().prompt(text)])
        logits, _ = found.model.forward(ids[:, :-1])
        nats += float(cross_entropy_forward(logits, ids[:, 1:], reduction="sum")[0])
        tokens += ids.shape[1] - 1
    return nats / tokens


def write(path: Path, lines: Any) -> None:
    """One text a line."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

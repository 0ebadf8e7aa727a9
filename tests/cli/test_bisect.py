"""``npformer bisect``: what it names, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

MODEL = """
from npformer.models import Transformer
from torch_ref.models.transformer import Transformer as Twin

class Right(Transformer):
    pass

class Wrong(Transformer):
    def _embed_backward(self, dx, cache, stream="target"):
        dx = self.positions.backward(self.dropout.backward(dx, cache.dropout), cache.positions)
        self.embedding.backward(dx, cache.embedding)

class WrongTwin(Twin):
    def _project(self, y):
        return 2 * super()._project(y)

class Needy(Transformer):
    def __init__(self, config, size, **more):
        super().__init__(config, **more)

class Breaks(Transformer):
    def _project(self, y):
        raise RuntimeError("not written yet")
"""


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch) -> Path:
    """Each test in a directory of its own, with a module in it."""
    path = tmp_path / "here"
    path.mkdir()
    (path / "my_bisected_model.py").write_text(MODEL, encoding="utf-8")
    (path / "my_broken_module.py").write_text("import nothing_of_that_name\n", encoding="utf-8")
    (path / "my_typo.py").write_text("def f(:\n", encoding="utf-8")
    monkeypatch.chdir(path)
    yield path
    sys.modules.pop("my_bisected_model", None)


def command(trained, *more: object, text="7 dogs.") -> tuple[object, ...]:
    pair = ("--text", text, "--target", "7 Hunde.")
    return ("bisect", "--checkpoint", trained, *pair, *more)


@pytest.mark.parametrize("more", [(), ("--against", "numpy"), ("--dropout", "3")], ids=repr)
def test_the_numpy_model_beside_its_twin(npformer, trained, more):
    ended = npformer(*command(trained, *more))
    assert ended.status == 0, ended
    assert ended.err == ""
    assert "7 dogs.\n7 Hunde.\n" in ended.out
    assert "encoder.layers.0" in ended.out
    assert "differs beyond what its inputs explain" in ended.out


def test_a_model_in_float64_beside_its_twin(npformer, tmp_path):
    """Tables of rotary positions are no weights that the twin is given: it has its own."""
    corpus, run = tmp_path / "text.txt", tmp_path / "wide"
    corpus.write_text("".join(f"7 dogs see {n} cats.\n" for n in range(40)), encoding="utf-8")
    small = ("--model", "gpt", "--preset", "nano", "--model.positions", "rotary", "--updates", 1)
    ended = npformer("train", run, "--corpus", corpus, *small, "--dtype", "float64")
    assert ended.status == 0, ended
    ended = npformer("bisect", "--checkpoint", run, "--text", "7 dogs.")
    assert ended.status == 0, ended
    assert "in float64" in ended.out


def test_a_planted_mistake(npformer, trained, directory):
    plant = ("--plant", "attention/scale-forgotten", "--at", "decoder.layers.0.cross_attn")
    ended = npformer(*command(trained, *plant, "--json", "found.json"))
    assert ended.status == 1, ended
    assert "decoder.layers.0.cross_attn, attention: the scale of the scores" in ended.out
    assert "Planted: attention/scale-forgotten at decoder.layers.0.cross_attn" in ended.out
    found = json.loads((directory / "found.json").read_text(encoding="utf-8"))
    assert {f["path"] for f in found["findings"]} == {"decoder.layers.0.cross_attn"}
    ended = npformer(*command(trained, "--plant", "cross_entropy/sign", "--at", "loss"))
    assert ended.status == 1
    assert "cross_entropy: p less the target" in ended.out


def test_a_planted_mistake_that_changes_nothing(npformer, trained):
    place = "decoder.layers.0.self_attn_residual.dropout"
    ended = npformer(*command(trained, "--plant", "dropout/gradient-unscaled", "--at", place))
    assert ended.status == 0, ended
    last = " ".join(ended.out.split()).partition("Planted: ")[2]
    assert last.endswith("changes nothing there.")


def test_a_row_for_every_call(npformer, trained):
    short, whole = (npformer(*command(trained, *more)).out for more in ((), ("--every-call",)))
    assert "self_attn.q_proj" not in short
    assert "encoder.layers.0.self_attn.q_proj" in whole


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("Right", 0, "differs beyond"),
        ("Wrong", 1, "the model, _embed: the factor sqrt(D)"),
        ("WrongTwin", 1, "the model, _project: its y"),
    ],
)
def test_an_implementation_of_ones_own(npformer, trained, name, status, said):
    ended = npformer(*command(trained, "--implementation", f"my_bisected_model:{name}"))
    assert ended.status == status, ended
    assert said in ended.out
    if name == "Wrong":
        assert "my_bisected_model.py:" in ended.out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--plant", "relu/leaky"), "--plant and --at go together"),
        (("--at", "loss"), "--plant and --at go together"),
        (("--plant", "relu/leeky", "--at", "loss"), "did you mean 'relu/leaky'?"),
        (("--plant", "relu/leaky", "--at", "loss"), "which is no place for it"),
        (
            ("--plant", "relu/leaky", "--at", "loss", "--implementation", "a:B"),
            "leave --implementation",
        ),
        (("--implementation", "my_bisected_model"), "it must be MODULE:CLASS"),
        (("--implementation", "nowhere_to_be_found:A"), "no module 'nowhere_to_be_found'"),
        (("--implementation", "my_bisected_model:Wrang"), "did you mean 'Wrong'?"),
        (("--implementation", "my_broken_module:A"), "No module named 'nothing_of_that_name'"),
        (("--implementation", "my_typo:A"), "cannot be imported: SyntaxError"),
        (("--implementation", "my_bisected_model:Needy"), "cannot be built as the original is"),
        (("--implementation", "json:JSONDecoder"), "cannot be built as the original is"),
        (("--implementation", "my_bisected_model:Breaks"), "RuntimeError: not written yet"),
        (("--label-smoothing", "1"), "--label-smoothing is 1; it must be in [0, 1)"),
        (("--against", "jax"), "choose one of torch, numpy"),
        (("--dropout", "-1"), "--dropout is -1; it must be 0 or more"),
    ],
)
def test_bad_input_is_one_line(refused, trained, more, said):
    assert said in refused(*command(trained, *more))


def test_an_empty_text(refused, trained):
    assert "the text is empty" in refused(*command(trained, text=" "))


def test_a_model_that_translates_to_nothing(refused, trained, monkeypatch):
    monkeypatch.setattr(
        "npformer.cli.reading.Translator.translate_sentences", lambda self, texts: [" "]
    )
    said = refused("bisect", "--checkpoint", trained, "--text", "7 dogs.")
    assert "give a translation with --target" in said


def test_the_models_own_translation_is_read(npformer, trained, monkeypatch):
    monkeypatch.setattr(
        "npformer.cli.reading.Translator.translate_sentences", lambda self, texts: ["9 Bäume."]
    )
    ended = npformer("bisect", "--checkpoint", trained, "--text", "9 trees.")
    assert ended.status == 0
    assert "9 trees.\n9 Bäume.\n" in ended.out

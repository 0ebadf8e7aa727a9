"""Pictures of the gradient's way."""

import sys

import matplotlib
import numpy as np
import pytest

from npformer.inspect import (
    gradient_flow,
    gradient_flow_figure,
    record,
    save_figure,
    statistics_figure,
)
from npformer.models.gpt import GPT, GPTConfig
from npformer.text.batches import Batch
from tests.inspect.models import make_batch, make_model


def lengths(gradient):
    return np.linalg.norm(gradient, axis=2).ravel()


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("stack", ["encoder", "decoder"])
def test_the_stream_is_what_passes_between_the_sub_layers(norm, stack):
    recording = record(make_model(norm=norm), make_batch())
    stream = gradient_flow(recording, stack)
    sublayers = ["self", "ff"] if stack == "encoder" else ["self", "cross", "ff"]
    assert stream.names == [f"{layer} {name}" for layer in (1, 2) for name in sublayers]
    first = lengths(recording[stack].dinputs["x"])
    second = lengths(recording[f"{stack}.layers.0.self_attn_residual"].doutput)
    last = lengths(recording[f"{stack}.layers.1.feed_forward_residual"].doutput)
    kept = first > 0
    assert not kept.all()  # padding
    assert stream.norms.shape == (len(stream.names) + 1, kept.sum())
    for place, expected in ((0, first), (1, second), (-1, last)):
        np.testing.assert_allclose(stream.norms[place], expected[kept], rtol=1e-12)
    path = f"{stack}.layers.1.self_attn_residual"
    at = len(sublayers)
    residual, normed = recording[path], recording[f"{path}.norm"].dinputs["x"]
    if norm == "post":  # the norm is on the stream, the sub-layer is the branch
        branch, skip = recording[path.removesuffix("_residual")].dinputs["x"], normed
    else:
        branch, skip = normed, residual.doutput
    np.testing.assert_array_equal(stream.branch[at], lengths(branch)[kept])
    np.testing.assert_array_equal(stream.skip[at], lengths(skip)[kept])
    np.testing.assert_array_equal(skip + branch, residual.dinputs["x"])


@pytest.mark.parametrize("settings", [{"parallel": True}, {"streams": 3}], ids=str)
def test_other_residuals_are_drawn_as_they_are(settings):
    sizes = {"vocab_size": 13, "d_model": 8, "heads": 2, "d_ff": 12, "layers": 2, "max_length": 9}
    config = GPTConfig(**sizes, dropout=0.0, norm="pre", **settings)
    rng = np.random.default_rng(0)
    recording = record(
        GPT(config, rng=rng, dtype=np.float64),
        Batch({"target": rng.integers(1, 13, (2, 6))}, rng.integers(1, 13, (2, 6))),
    )
    stream = gradient_flow(recording, "decoder")
    each = ["self + ff"] if "parallel" in settings else ["self", "ff"]
    assert stream.names == [f"{layer} {name}" for layer in (1, 2) for name in each]
    residual = recording["decoder.layers.1.self_attn_residual"]
    for place, gradient in ((len(each), residual.dinputs["x"]), (len(each) + 1, residual.doutput)):
        whole = gradient.reshape(12, -1)  # of a token, all of its streams
        np.testing.assert_allclose(stream.norms[place], np.linalg.norm(whole, axis=1))
    skip, branch, before = stream.skip, stream.branch, stream.norms[:-1]
    assert (skip + branch >= before * (1 - 1e-12)).all()  # two sides of a triangle
    assert (np.abs(skip - branch) <= before * (1 + 1e-12)).all()
    assert len(gradient_flow_figure(recording).axes) == 2
    assert len(statistics_figure(recording).axes) == 3


def drawn(axes):
    """The lines of a panel that have a name in its legend, by that name."""
    return {
        line.get_label(): line.get_ydata()
        for line in axes.lines
        if not line.get_label().startswith("_") and len(line.get_ydata())
    }


def test_the_figure_draws_each_stack_and_each_token():
    recording = record(make_model(), make_batch())
    figure = gradient_flow_figure(recording)
    above = dict(zip(("encoder", "decoder"), figure.axes[:2], strict=True))
    below = dict(zip(("encoder", "decoder"), figure.axes[2:], strict=True))
    for stack in ("encoder", "decoder"):
        stream = gradient_flow(recording, stack)
        assert above[stack].get_title(loc="left").startswith(stack)
        thick = drawn(above[stack])["all tokens (rms)"]
        np.testing.assert_allclose(thick, np.sqrt((stream.norms**2).mean(axis=1)))
        tokens = [line for line in above[stack].lines if line.get_label().startswith("_")]
        assert len(tokens) == stream.norms.shape[1]
        ways = drawn(below[stack])
        np.testing.assert_allclose(
            ways["through it (branch)"], np.sqrt((stream.branch**2).mean(axis=1))
        )
        np.testing.assert_allclose(
            ways["past the sub-layer (skip)"], np.sqrt((stream.skip**2).mean(axis=1))
        )
        names = [label.get_text() for label in below[stack].get_xticklabels()]
        assert names == stream.names


def test_the_statistics_figure_draws_every_layer():
    recording = record(make_model(decoder_layers=3), make_batch())
    figure = statistics_figure(recording)
    titles = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert len(titles) == 6
    lines = drawn(titles["decoder: gradient of output"])
    assert lines.keys() == {"self_attn", "cross_attn", "feed_forward", "the whole layer"}
    expected = [
        np.sqrt((recording[f"decoder.layers.{i}.cross_attn"].doutput ** 2).mean()) for i in range(3)
    ]
    np.testing.assert_allclose(lines["cross_attn"], expected)
    parameters = drawn(titles["encoder: gradient of parameters"])
    below = [g for n, g in recording.gradients.items() if n.startswith("encoder.layers.1.")]
    flat = np.concatenate([g.ravel() for g in below])
    assert parameters["the whole layer"][1] == pytest.approx(np.sqrt((flat**2).mean()))


def test_a_model_without_encoder_layers_has_one_stack():
    recording = record(make_model(encoder_layers=0), make_batch())
    assert gradient_flow(recording, "encoder").names == []
    assert len(gradient_flow_figure(recording).axes) == 2
    assert len(statistics_figure(recording).axes) == 3


def test_the_global_state_of_matplotlib_stays_as_it_was(tmp_path):
    recording = record(make_model(), make_batch())
    before, loaded = dict(matplotlib.rcParams), "matplotlib.pyplot" in sys.modules
    for number, draw in enumerate((gradient_flow_figure, statistics_figure)):
        path = save_figure(draw(recording), tmp_path / f"{number}.png")
        assert path.read_bytes().startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == loaded

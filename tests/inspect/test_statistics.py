"""Sizes of activations and gradients by depth."""

import numpy as np
import pytest

from npformer.inspect import record, statistics
from tests.inspect.models import make_batch, make_model


@pytest.fixture(scope="module", params=["post", "pre"])
def recording(request):
    return record(make_model(norm=request.param), make_batch())


def test_a_row_for_every_call_with_its_sizes(recording):
    rows = statistics(recording)
    assert len(rows) == len(recording.calls)
    for row, call in zip(rows, recording.calls, strict=True):
        assert (row.path, row.call, row.kind) == (call.path, call.call, call.kind)
        assert row.output_rms == pytest.approx(np.sqrt((call.output**2).mean()))
        assert row.doutput_rms == pytest.approx(np.sqrt((call.doutput**2).mean()))
        assert row.output_max == np.abs(call.output).max() >= row.output_rms * (1 - 1e-12)
        assert row.doutput_max == np.abs(call.doutput).max()


def test_depth_counts_layers(recording):
    depth = {(row.path, row.call): row.depth for row in statistics(recording)}
    for path in ("", "encoder", "decoder", "embedding", "dropout"):
        assert depth[path, 0] == 0
    for stack in ("encoder", "decoder"):
        assert depth[f"{stack}.layers.0", 0] == depth[f"{stack}.layers.0.self_attn.q_proj", 0] == 1
        assert depth[f"{stack}.layers.1.feed_forward_residual", 0] == 2
        assert depth.get((f"{stack}.norm", 0), 3) == 3
    assert depth["embedding", 1] == 0
    assert depth["embedding", 2] == depth["loss", 0] == 3


def test_gradients_of_the_parameters_that_a_module_owns_itself(recording):
    rows = {(row.path, row.call): row for row in statistics(recording)}
    path = "decoder.layers.1.cross_attn.v_proj"
    weight, bias = (recording.gradients[f"{path}.{name}"] for name in ("weight", "bias"))
    both = np.append(weight, bias)
    assert rows[path, 0].gradient_rms == pytest.approx(np.sqrt((both**2).mean()))
    assert rows["decoder.layers.1.cross_attn", 0].gradient_rms is None
    assert rows["", 0].gradient_rms is rows["loss", 0].gradient_rms is None


def test_it_reads_as_text_and_as_markdown(recording):
    rows = statistics(recording)
    lines = str(rows).splitlines()
    assert len(lines) == len(rows) + 1
    assert lines[1].startswith("model ")
    assert any(line.startswith("embedding (2) ") for line in lines)
    shown = rows._repr_markdown_().splitlines()
    assert len(shown) == len(rows) + 2
    assert shown[1] == "| --- | --: | --: | --: | --: | --: | --: |"

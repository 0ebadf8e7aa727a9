import sys

import matplotlib
import numpy as np
import pytest

from npformer.errors import NpformerError, ShapeError
from npformer.inspect.plots import attention_figure, save_figure

WORDS = ["the", "old", "dog", "sees", "a", "cat"]
WOERTER = ["der", "alte", "Hund", "sieht", "eine", "Katze", "."]


def random_maps(heads, queries=7, keys=6, seed=0):
    x = np.random.default_rng(seed).random((heads, queries, keys))
    return x / x.sum(axis=2, keepdims=True)


def panels(figure):
    """The axes that show a map, in the order drawn: neither empty places nor the colour bar."""
    return [axes for axes in figure.axes if axes.images]


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_one_panel_a_head_and_their_mean(heads):
    maps = random_maps(heads)
    figure = attention_figure(maps, WOERTER, WORDS, title="layer 1")
    expected = [*maps, maps.mean(axis=0)] if heads > 1 else list(maps)
    shown = [np.asarray(axes.images[0].get_array()) for axes in panels(figure)]
    assert len(shown) == len(expected)
    np.testing.assert_array_equal(np.stack(shown), np.stack(expected))
    # One colour scale, or the panels could not be compared.
    assert {axes.images[0].get_clim() for axes in panels(figure)} == {(0.0, maps.max())}
    assert figure.get_suptitle() == "layer 1"
    assert len(panels(attention_figure(maps, WOERTER, WORDS, mean=False))) == heads


def test_tokens_stand_at_their_rows_and_columns():
    axes = panels(attention_figure(random_maps(1), WOERTER, WORDS))[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == WORDS
    assert [label.get_text() for label in axes.get_yticklabels()] == WOERTER
    assert axes.get_xticks().tolist() == list(range(6))
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first query on top


def test_labels_of_a_long_text_thin_out_but_stay_in_place():
    tokens = [str(i) for i in range(100)]
    axes = panels(attention_figure(random_maps(1, 100, 100), tokens, tokens))[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == [str(round(tick)) for tick in axes.get_xticks()]
    assert 25 <= len(labels) <= 40


def test_alignment_links_are_ringed_in_every_panel():
    links = [(0, 0), (5, 5), (3, 2)]
    figure = attention_figure(random_maps(2), WOERTER, WORDS, alignment=links)
    for axes in panels(figure):
        rings = np.asarray(axes.collections[0].get_offsets())
        assert sorted(map(tuple, rings.tolist())) == sorted(links)


def test_panels_are_named_with_their_share_of_the_alignment():
    maps = np.stack([np.eye(3), np.full((3, 3), 1 / 3)])

    def names(alignment):
        figure = attention_figure(maps, WORDS[:3], WORDS[:3], alignment=alignment)
        return [axes.get_xlabel() for axes in panels(figure)]

    assert names(None) == ["head 0", "head 1", "mean"]
    assert names([(0, 0), (1, 1)]) == ["head 0 (100%)", "head 1 (33%)", "mean (67%)"]


@pytest.mark.parametrize(
    ("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")]
)
def test_the_suffix_decides_the_format(tmp_path, suffix, magic):
    figure = attention_figure(random_maps(2), WOERTER, [*WORDS[:-1], "$x$"])
    path = save_figure(figure, tmp_path / "new" / f"picture.{suffix}")
    assert path.read_bytes().startswith(magic)


def test_the_global_state_of_matplotlib_stays_as_it_was(tmp_path):
    before = dict(matplotlib.rcParams)
    loaded = "matplotlib.pyplot" in sys.modules
    save_figure(attention_figure(random_maps(2), WOERTER, WORDS), tmp_path / "a.png")
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == loaded


def test_maps_tokens_and_alignment_must_fit():
    with pytest.raises(ShapeError, match="6 query and 6 key"):
        attention_figure(random_maps(2), WORDS, WORDS)
    with pytest.raises(ShapeError, match="none of them 0"):
        attention_figure(random_maps(2, 0), [], WORDS)
    with pytest.raises(ShapeError, match=r"\(6, 0\)"):
        attention_figure(random_maps(2), WOERTER, WORDS, alignment=[(6, 0)])


def test_where_no_picture_can_be_written(tmp_path):
    figure = attention_figure(random_maps(1), WOERTER, WORDS)
    with pytest.raises(NpformerError, match=r"choose one of \.png"):
        save_figure(figure, tmp_path / "picture.gif")
    (tmp_path / "file").write_text("")
    with pytest.raises(NpformerError, match="cannot write"):
        save_figure(figure, tmp_path / "file" / "picture.png")


def test_a_notebook_without_pyplot_shows_the_picture():
    picture = attention_figure(np.full((1, 2, 2), 0.5), ["a", "b"], ["a", "b"])
    assert picture._repr_png_().startswith(b"\x89PNG")

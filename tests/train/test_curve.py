from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.image import imread

from npformer.train.curve import draw_curve
from npformer.train.metrics import Metrics


def write(path, *, scores=True, bad=False):
    with Metrics(path) as metrics:
        for update in range(1, 201):
            loss = float("nan") if bad and update == 50 else 1 + 5 / update
            metrics.write(update=update, loss=loss)
            if update % 50 == 0:
                extra = {"bleu": update / 4, "chrf": update / 3} if scores else {}
                metrics.write(update=update, validation_loss=1 + 6 / update, **extra)


def test_the_picture_has_two_panels_with_scores_and_one_without(tmp_path):
    shapes = {}
    for scores in (True, False):
        write(tmp_path / "m", scores=scores)
        assert draw_curve(tmp_path / "m", tmp_path / "p.png", title="a run")
        picture = imread(tmp_path / "p.png")
        assert np.ptp(picture[..., :3]) > 0.9
        shapes[scores] = picture.shape
    assert shapes[True][0] == 2 * shapes[False][0]
    assert [p.name for p in tmp_path.glob("*p.png*")] == ["p.png"]


def test_gaps_in_the_numbers_are_no_obstacle(tmp_path):
    write(tmp_path / "m", bad=True)
    assert draw_curve(tmp_path / "m", tmp_path / "p.png")


def test_there_is_nothing_to_draw_before_the_first_update(tmp_path):
    assert not draw_curve(tmp_path / "none", tmp_path / "p.png")
    assert not (tmp_path / "p.png").exists()


def test_the_program_keeps_its_own_backend(tmp_path):
    before = matplotlib.get_backend(auto_select=False)
    write(tmp_path / "m")
    draw_curve(tmp_path / "m", tmp_path / "p.png")
    assert matplotlib.get_backend(auto_select=False) == before

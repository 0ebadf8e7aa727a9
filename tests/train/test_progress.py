from __future__ import annotations

import io

from rich.console import Console

from npformer.train import progress
from npformer.train.progress import Display


def lines(console: Console) -> str:
    return console.file.getvalue()


def step(update: int, speed: float = 1234.0, **more) -> dict:
    return dict(
        update=update, loss=2.0, grad_norm=0.5, learning_rate=1e-3, tokens_per_s=speed,
        waited=0.0, memory=3 * 2**29, **more,
    )  # fmt: skip


def test_without_a_terminal_there_are_plain_lines(monkeypatch):
    console = Console(file=io.StringIO(), width=40)
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with Display(100, 0, console) as display:
        for update in range(1, 101):
            now[0] += 1.0
            display.step(step(update))
        display.validation(100, {"validation_loss": 2.0, "perplexity": 7.4, "bleu": 12.34})
        display.note("[bold]as it is[/bold]")
    out = lines(console).splitlines()
    assert out[0] == (
        "update 1/100  loss 2.000  norm 0.5  rate 1.00e-03  1,234 tokens/s  1.5 GiB  0:01:39 left"
    )
    assert out[1].startswith("update 11/100 ") and "0:01:29 left" in out[1]
    assert out[-3].startswith("update 100/100 ")
    assert out[-2] == "update 100  validation: loss 2.000  perplexity 7.40  BLEU 12.3"
    assert out[-1] == "[bold]as it is[/bold]"
    assert len(out) == 13
    assert "\x1b" not in lines(console)


def test_the_time_left_counts_this_sitting_only(monkeypatch):
    console = Console(file=io.StringIO(), width=200)
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with Display(100, 50, console) as display:
        now[0] += 10.0
        display.step(step(60))
    assert "0:00:40 left" in lines(console)


def test_in_a_terminal_there_is_a_bar(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    console = Console(file=io.StringIO(), force_terminal=True, width=150)
    with Display(10, 0, console) as display:
        display.step(step(3, speed=50.0))
        display.validation(3, {"validation_loss": 2.0, "perplexity": 7.4})
    out = lines(console)
    assert "3/10" in out and "50 tokens/s" in out and "left" in out and "perplexity 7.40" in out


def test_utilisation_and_a_wait_for_data_are_shown_where_they_say_something():
    console = Console(file=io.StringIO(), width=200)
    with Display(3, 0, console) as display:
        display.step({**step(1, mfu=0.456), "waited": 0.25})
    assert "MFU 46%" in lines(console) and "waited 25%" in lines(console)
    console = Console(file=io.StringIO(), width=200)
    with Display(3, 0, console) as display:
        display.step({**step(1), "waited": 0.009})
    assert "MFU" not in lines(console) and "waited" not in lines(console)

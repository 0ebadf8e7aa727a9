"""A small random model, the page on one of its sentence pairs, and a browser to open it in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from npformer.explorer import build_page, page_data
from npformer.explorer.nodes import Errors
from npformer.inspect import Reading, Recording, read_pair, record
from npformer.models.transformer import Transformer, TransformerConfig
from npformer.text.batches import Batch
from npformer.text.tokenizer import Tokenizer
from npformer.verify import node_errors

SOURCE, TARGET = "the old man sees a red car", "der alte Mann sieht ein rotes Auto"
CHROMIUM = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


class Example(NamedTuple):
    """A model, its tokenizer, and one pair for it."""

    model: Transformer
    tokenizer: Tokenizer
    reading: Reading
    recording: Recording

    @property
    def batch(self) -> Batch:
        return self.reading.batch


def make_example(**changes: Any) -> Example:
    tokenizer = Tokenizer.train([SOURCE, TARGET], kind="word", vocab_size=40)
    sizes: dict[str, Any] = dict(
        vocab_size=tokenizer.vocab_size, d_model=12, heads=3, d_ff=20, max_length=16,
        encoder_layers=2, decoder_layers=2, dropout=0.1,
    )  # fmt: skip
    model = Transformer(TransformerConfig(**{**sizes, **changes}), rng=np.random.default_rng(5))
    reading = read_pair(model, tokenizer, SOURCE, TARGET)
    return Example(model, tokenizer, reading, record(model, reading.batch))


@pytest.fixture(scope="session")
def example() -> Example:
    return make_example()


@pytest.fixture(scope="session")
def errors(example) -> Errors:
    import torch

    from torch_ref.bridge import to_torch
    from torch_ref.models.transformer import Transformer as Twin

    twin = Twin(example.model.config, dtype=torch.float32, device="cpu").eval()
    to_torch(example.model.state_dict(), twin)
    return dict(node_errors(example.model, twin, example.batch))


@pytest.fixture(scope="session")
def data(example, errors) -> dict[str, Any]:
    return page_data(example.model, example.tokenizer, example.reading, errors=errors)


@pytest.fixture(scope="session")
def text(example, errors) -> str:
    return build_page(example.model, example.tokenizer, example.reading, errors=errors)


@pytest.fixture(scope="session")
def address(text, tmp_path_factory) -> str:
    path: Path = tmp_path_factory.mktemp("page") / "explorer.html"
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, as CHROME names it or as the PATH has it; a must where CI is set."""
    refuse = pytest.fail if "CI" in os.environ else pytest.skip
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        refuse("the explorer's page needs Python's playwright to be tested: pip install playwright")
    names = (os.environ.get("CHROME", ""), "chromium", "chromium-browser", "google-chrome")
    chromium = next((found for name in names if (found := shutil.which(name))), None)
    if chromium is None:
        refuse("no Chromium: install Debian's chromium, or name one in CHROME")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser, address) -> Iterator[Callable[..., Any]]:
    """Opens the page, or another file, in a window of its own.

    No complaint of it and no request may be left.
    """
    heard: list[str] = []
    contexts = []

    def show(
        fragment: str = "",
        *,
        at: str = address,
        width: int = 1280,
        height: int = 800,
        **options: Any,
    ) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": height}, offline=True,
            **{"reduced_motion": "reduce", **options},
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda said: heard.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: heard.append(f"exception: {error}"))
        page.on("request", lambda request: heard.append(f"request: {request.url[:80]}"))
        page.goto(at + fragment)
        return page

    yield show
    for context in contexts:
        context.close()
    # The page itself is asked for once, and its empty icon lies in a data: address.
    assert not [
        said for said in heard if not said.startswith(("request: file://", "request: data:"))
    ]
    assert len([said for said in heard if said.startswith("request: file://")]) == len(contexts)

"""The drawn model in a real browser: what is drawn, opened, walked and chosen."""

from __future__ import annotations

import re

import pytest

from npformer.explorer import build_page
from npformer.inspect import read_pair, record
from tests.explorer.conftest import TARGET
from tests.explorer.families import MODELS

BOXES = """() => [...document.querySelectorAll('#model .item > .hit')]
    .filter((e) => e.tagName === 'rect').map((e) => {
        const { x, y, width, height } = e.getBBox();
        return [e.parentElement.getAttribute('aria-label'), x, y, x + width, y + height,
            e.parentElement.querySelector('[role=group]') !== null]; })"""


def item(page, label: str):
    return page.locator(f"[role=treeitem][aria-label='{label}']")


def focused(page) -> str:
    return page.evaluate("document.activeElement.getAttribute('aria-label')")


def test_the_stream_is_drawn_with_its_branches_and_the_memory(open_page):
    page = open_page()
    assert page.locator("#model .sum").count() == 10  # two layers with two, two with three
    aside = page.locator("#model .wire.aside")
    assert aside.count() == 2  # the cross-attention of each layer of the decoder
    first, second = (
        item(page, f"{name}, Stack").locator("> .hit").bounding_box()
        for name in ("encoder", "decoder")
    )
    assert first["x"] + first["width"] < second["x"]
    causal = page.locator("#model .note", has_text="causal")
    assert causal.count() == 2


@pytest.mark.parametrize("family", ["encoder-decoder", "t5", "mixture", "delta", "latent", "bert"])
def test_every_family_is_drawn_with_nothing_over_another(example, open_page, family, tmp_path):
    model = MODELS[family]()
    source = "the old man sees" if "source" in model.streams else ""
    text = build_page(model, example.tokenizer, read_pair(model, example.tokenizer, source, TARGET))
    path = tmp_path / "page.html"
    path.write_text(text, encoding="utf-8")
    page = open_page(at=path.as_uri(), width=1600)
    while page.locator("#model [aria-expanded=false]").count():
        page.locator("#model [aria-expanded=false] .twist").first.dispatch_event("click")
    assert page.locator("#model .unseen-link").count() == 0
    boxes = page.evaluate(BOXES)
    calls = page.evaluate("JSON.parse(document.getElementById('data').textContent).calls.length")
    sums = page.locator("#model .item > circle.hit").count()
    assert len(boxes) + sums == calls
    for i, (name, left, top, right, bottom, open_) in enumerate(boxes):
        for other, x, y, x2, y2, other_open in boxes[i + 1 :]:
            apart = right <= x or x2 <= left or bottom <= y or y2 <= top
            within = open_ and left <= x and x2 <= right and top <= y and y2 <= bottom
            around = other_open and x <= left and right <= x2 and y <= top and bottom <= y2
            assert apart or within or around, (name, other)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1600


def test_a_token_chooses_its_experts(example, open_page, tmp_path):
    model = MODELS["mixture"]()
    reading = read_pair(model, example.tokenizer, "", TARGET)
    path = tmp_path / "page.html"
    path.write_text(build_page(model, example.tokenizer, reading), encoding="utf-8")
    page = open_page(at=path.as_uri())
    assert page.locator("#model .note").text_content() == "causal, window 3"
    call = record(model, reading.batch)["decoder.layers.0.feed_forward.expert_weights"]
    for t in (0, 3, 5):
        page.get_by_role("button", name=re.compile("Show its gradient")).nth(t).click()
        page.get_by_role("tab", name="Walk both passes").click()
        picks = page.locator("#model .pick")
        taken = picks.evaluate_all("(all) => all.map((e) => e.classList.contains('taken'))")
        assert [i for i, one in enumerate(taken) if one] == sorted(call.inputs["chosen"][t])
        assert len(taken) == 4


def test_a_reader_goes_into_a_part_and_out_again(open_page):
    page = open_page()
    part = item(page, "self_attn, MultiHeadAttention").first
    assert part.get_attribute("aria-expanded") == "false"
    part.locator("> .hit").click()
    assert page.locator("#node-name").inner_text() == "encoder.layers.0.self_attn"
    assert part.get_attribute("aria-expanded") == "true"
    item(page, "attention, attention").first.locator("> .hit").click()
    assert page.locator("#node-name").inner_text() == "encoder.layers.0.self_attn.attention"
    page.go_back()
    assert page.locator("#node-name").inner_text() == "encoder.layers.0.self_attn"
    part.locator("> .twist").click()
    assert part.get_attribute("aria-expanded") == "false"
    assert page.locator("#node-name").inner_text() == "encoder.layers.0.self_attn"
    page.get_by_role("button", name="Next step").click()  # into it, which opens it
    assert part.get_attribute("aria-expanded") == "true"
    assert (
        page.get_by_role("treeitem", selected=True).get_attribute("aria-label") == "q_proj, Linear"
    )
    residual = item(page, "self_attn_residual, Residual").first.locator("> .hit")
    residual.click()
    assert page.locator("#node-name").inner_text() == "encoder.layers.0.self_attn_residual"


def test_the_step_is_in_sight_and_the_arrows_turn_with_the_pass(open_page):
    page = open_page()
    box = page.locator("#model").bounding_box()
    for name in ("Next step", "Backward", "Next step"):
        page.get_by_role("button", name=name, exact=True).click()
        here = page.get_by_role("treeitem", selected=True).locator("> .hit").bounding_box()
        assert box["y"] <= here["y"]
        assert here["y"] + here["height"] <= box["y"] + box["height"]
    assert page.locator("#model [marker-start]").count() > 20
    assert page.locator("#model [marker-end]").count() == 0


def test_the_drawing_is_walked_with_the_arrow_keys(open_page):
    page = open_page()
    page.get_by_role("treeitem", selected=True).focus()
    page.keyboard.press("Home")
    assert focused(page) == "transformer, Transformer"
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert focused(page) == "encoder, Stack"
    page.keyboard.press("ArrowLeft")
    closed = item(page, "encoder, Stack")
    assert closed.get_attribute("aria-expanded") == "false"
    page.keyboard.press("ArrowDown")
    assert focused(page) == "embedding target, Embedding"
    page.keyboard.press("Enter")
    assert page.locator("#node-name").inner_text() == "embedding target"
    assert focused(page) == "embedding target, Embedding"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    assert closed.get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowRight")
    assert focused(page) == "layers.0, Layer"
    page.keyboard.press("End")
    assert focused(page) == "loss, cross_entropy"

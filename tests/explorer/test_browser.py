"""The page in a real browser: what is shown after clicks, key presses and hovers."""

from __future__ import annotations

import re

import numpy as np
import pytest

from npformer.explorer import flow
from npformer.text.tokenizer import EOS

# Controls and pictures that a screen reader could not name.
NAMELESS = """() => {
    const unnamed = ['presentation', 'group', 'status', 'tabpanel'];
    const named = (e) => e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')
        || e.textContent.trim() || e.labels?.length;
    return [...document.querySelectorAll('button, input, select, canvas, [role]')]
        .filter((e) => e.checkVisibility() && !unnamed.includes(e.getAttribute('role')))
        .filter((e) => !named(e)).map((e) => e.outerHTML.slice(0, 120)); }"""

# Visible texts with a contrast of less than 4.5 : 1 to the colour behind them.
FAINT = """() => {
    const part = (c) => (c <= 10 ? c / 3295 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    const light = ({ r, g, b }) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    const behind = (e) => {
        for (; e; e = e.parentElement) {
            const text = getComputedStyle(e).backgroundColor;
            if (text.startsWith('rgb') && d3.rgb(text).opacity > 0.5) return d3.rgb(text);
        }
        return d3.rgb('white'); };
    const bad = new Set();
    for (const e of document.querySelectorAll('main *, header *, footer *')) {
        if (!e.checkVisibility() || e.closest('svg, .unseen, .line-number')) continue;
        if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
        const pair = [light(d3.rgb(getComputedStyle(e).color)), light(behind(e))];
        const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
        if (ratio < 4.5) bad.add(`${ratio.toFixed(2)} ${e.className} ${e.textContent}`);
    }
    return [...bad]; }"""

# What can be touched, and is narrower or lower than 24 pixels.
SMALL = """() => [...document.querySelectorAll(
        'button, input, select, summary, [role=tab], [role=radio], #model .item > .hit')]
    .filter((e) => e.checkVisibility() && !(e.getBoundingClientRect().width >= 22
        && e.getBoundingClientRect().height >= 22 && (e.tagName === 'circle'
        || Math.min(e.getBoundingClientRect().width, e.getBoundingClientRect().height) >= 23.9)
        || e.type === 'range'))
    .map((e) => `${e.outerHTML.slice(0, 90)} ${e.getBoundingClientRect().height}`)"""

SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


def words(example, ids) -> list[str]:
    return [token.removeprefix("▁") for token in example.tokenizer.tokens(ids)]


def text_of(page, selector: str) -> str:
    return " ".join(page.locator(selector).inner_text().split())


@SCHEMES
def test_the_summary_says_what_was_read_and_how_well(open_page, example, data, scheme):
    page = open_page(color_scheme=scheme)
    assert page.get_by_role("heading", level=1).inner_text() == data["sentence"]["source"]["text"]
    assert data["sentence"]["target"]["text"] in text_of(page, ".target-text")
    tokens = page.get_by_role("list", name="Target tokens and their losses").get_by_role("button")
    assert tokens.count() == example.batch.targets.shape[1]
    tokens.nth(2).hover()
    loss = data["sentence"]["target"]["loss"][2]
    assert f"loss {loss:.3g}" in text_of(page, ".loss-detail")
    page.mouse.move(2, 2)
    worst = max(data["sentence"]["target"]["loss"])  # of the token that is chosen at first
    assert f"loss {worst:.3g}" in text_of(page, ".loss-detail")
    assert text_of(page, ".loss-against").startswith("Loss of each token against this target,")
    assert f"{example.model.parameter_count():,}" in text_of(page, "#facts")


def test_the_walk_goes_through_the_forward_and_then_the_backward(open_page, data):
    page = open_page()
    forward = [data["calls"][n]["path"] for n in data["forward"]]
    backward = [data["calls"][n]["path"] for n in data["backward"]]
    steps = len(forward)
    walked = page.evaluate(
        """(steps) => Array.from({ length: steps }, () => {
        const name = document.getElementById('node-name').firstChild.textContent;
        const key = { key: 'ArrowRight', bubbles: true };
        document.body.dispatchEvent(new KeyboardEvent('keydown', key));
        return name; })""",
        2 * steps,
    )
    assert walked == forward + backward
    page.keyboard.press("ArrowRight")
    assert f"Backward step {steps} of {steps}" in text_of(page, "#step-now")  # the last one stays
    page.keyboard.press("ArrowLeft")
    assert f"Backward step {steps - 1} of {steps}" in text_of(page, "#step-now")
    page.get_by_role("button", name="First step").click()
    assert f"→ Forward step 1 of {steps}" in text_of(page, "#step-now")
    page.get_by_role("button", name="Next step").click()
    assert f"step 2 of {steps}" in text_of(page, "#step-now")
    assert page.get_by_role("treeitem", selected=True).get_attribute("aria-label") == (
        "positions source, SinusoidalPositions"
    )


def test_the_formula_and_the_source_are_those_of_the_pass(open_page):
    page = open_page()
    page.locator("[role=treeitem][aria-label='norm, LayerNorm'] > .hit").first.click()
    assert "rstd = 1 / sqrt(<(x - mu)^2> + eps)" in page.locator(".formula pre").inner_text()
    assert "def layer_norm_forward" in page.locator(".code").inner_text()
    assert "chapter 3, layer norm" in text_of(page, ".chapter")
    page.get_by_role("button", name="Backward", exact=True).click()
    assert "dx      = rstd * (g - <g>" in page.locator(".formula pre").inner_text()
    code = page.locator(".code").inner_text()
    assert "def layer_norm_backward" in code
    first = int(re.search(r"lines (\d+) to", text_of(page, ".where"))[1])
    assert code.split()[0] == str(first)
    assert page.locator("#to-backward").get_attribute("aria-pressed") == "true"


def test_what_only_calls_others_shows_its_source_and_no_formula(open_page):
    page = open_page()
    page.locator("[role=treeitem][aria-label='layers.0, Layer'] > .hit").last.click()
    assert page.locator("#node-name").inner_text() == "decoder.layers.0"
    first, last = re.search(
        r"made of the steps (\d+) to (\d+)", text_of(page, "#step-now")
    ).groups()
    assert int(last) - int(first) + 1 == 16
    assert page.locator(".formula").count() == 0
    assert "self.cross_attn.forward(h, memory, memory_mask)" in page.locator(".code").inner_text()
    page.get_by_role("button", name="Next step").click()
    assert f"step {first} of" in text_of(page, "#step-now")


def go_to_q_proj(page) -> None:
    """From the first step to encoder.layers.0.self_attn.q_proj."""
    for _ in range(2):
        page.get_by_role("button", name="Next step").click()


def test_a_cell_under_the_pointer_tells_its_index_and_value(open_page, example):
    page = open_page()
    go_to_q_proj(page)
    canvas = page.get_by_role("img", name=re.compile(r"^gradient of x: shape \(1, \d+, 12\)"))
    canvas.scroll_into_view_if_needed()
    gradient = example.recording["encoder.layers.0.self_attn.q_proj"].dinputs["x"]
    rows, columns = gradient.shape[1:]
    box = canvas.bounding_box()
    for row, column in ((0, 0), (3, 7), (rows - 1, columns - 1)):
        page.mouse.move(
            box["x"] + (column + 0.5) * box["width"] / columns,
            box["y"] + (row + 0.5) * box["height"] / rows,
        )
        said = page.locator(".readout", has_text="dx[").inner_text()
        found = re.match(r"dx\[0, (\d+), (\d+)\] = (\S+) +“(.*)”", said)
        assert (int(found[1]), int(found[2])) == (row, column)
        assert float(found[3].replace("−", "-")) == pytest.approx(
            gradient[0, row, column], rel=5e-3
        )
        assert found[4] == words(example, example.batch.inputs["source"][0])[row]


def test_a_cell_can_be_read_with_the_arrow_keys(open_page):
    page = open_page()
    canvas = page.get_by_role("img", name=re.compile("^y: shape"))
    canvas.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowLeft", "ArrowRight"):
        page.keyboard.press(key)
    assert page.locator(".readout", has_text="y[0, 2, 1] =").count() == 1
    assert "step 1 of" in text_of(page, "#step-now")  # the arrows moved the cell, not the step


def test_range_shape_and_error_stand_beside_a_tensor(open_page, example, errors):
    page = open_page()
    go_to_q_proj(page)
    call = example.recording["encoder.layers.0.self_attn.q_proj"]
    caption = page.locator("figure.tensor", has_text="dweight").locator("figcaption").inner_text()
    assert "(12, 12)" in caption
    figure = page.locator(".tensor-pair", has_text="dx").first.locator("figcaption").first
    low, high = re.search(r"(\S+) … (\S+)", figure.inner_text().replace("−", "-")).groups()
    assert float(low) == pytest.approx(call.inputs["x"].min(), rel=5e-3)
    assert float(high) == pytest.approx(call.inputs["x"].max(), rel=5e-3)
    meters = text_of(page, ".meters")
    assert f"forward {errors[call.path][0]:.2f} ✓" in meters.replace("\n", " ")
    assert f"gradient {errors[call.path][1]:.2f} ✓" in meters


def test_a_square_root_scale_shows_more_of_small_values(open_page):
    page = open_page()
    picture = "() => document.querySelectorAll('figure.tensor canvas')[1].toDataURL()"
    before = page.evaluate(picture)
    page.get_by_label("Colour scale").select_option("root")
    assert page.evaluate(picture) != before
    assert page.evaluate("document.activeElement.id") == "scale"


@SCHEMES
def test_a_chosen_token_shows_what_it_attends_to(open_page, example, scheme):
    page = open_page("#tokens", color_scheme=scheme)
    t = 2
    token = page.get_by_role("radiogroup", name="Target tokens").get_by_role("radio").nth(t)
    token.click()
    assert token.get_attribute("aria-checked") == "true"
    assert f"target position {t}" in text_of(page, ".look-title")
    for kind, title in (("cross_attn", "Cross-attention"), ("self_attn", "Decoder self-attention")):
        table = page.get_by_role("region", name=re.compile(f"^{title}, and")).get_by_role("table")
        for layer in range(2):
            probs = example.recording.attention[f"decoder.layers.{layer}.{kind}"][0]
            for head in range(3):
                row = table.get_by_role("row", name=re.compile(f"^layer {layer} · head {head}"))
                cells = row.get_by_role("cell").all_inner_texts()
                seen = [np.round(100 * p) for p in probs[head, t]]
                shown = [0 if cell in ("·", "hidden") else int(cell) for cell in cells]
                np.testing.assert_allclose(shown, seen, atol=1)
                if kind == "self_attn":
                    assert cells[t + 1 :] == ["hidden"] * (len(cells) - t - 1)


def test_a_chosen_token_shows_what_its_gradient_reaches(open_page, example):
    page = open_page("#tokens")
    places, norms = flow.position_gradients(example.model, example.batch)
    rows = {(p.call.path, p.use): n for p, n in zip(places, norms, strict=True)}
    t = 4
    page.get_by_role("radiogroup", name="Target tokens").get_by_role("radio").nth(t).click()
    for stack, name in (("encoder", "Cross"), ("decoder", "Decoder self")):
        table = page.get_by_role("region", name=re.compile(f"^{name}-attention, and"))
        row = table.get_by_role("row", name=re.compile("^gradient · embedding"))
        cells = row.get_by_role("cell").all_inner_texts()
        norm = rows[stack, "input"][t]
        expected = np.round(100 * norm / norm.max())
        shown = [0 if cell in ("·", "hidden") else int(cell) for cell in cells]
        np.testing.assert_allclose(shown, expected, atol=1)


def test_tokens_can_be_reached_and_chosen_with_the_keyboard(open_page, example):
    page = open_page("#tokens")
    source = page.get_by_role("radiogroup", name="Source tokens").get_by_role("radio")
    source.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("End")
    last = words(example, example.batch.inputs["source"][0])[-1]
    assert page.evaluate("document.activeElement.textContent") == last == "<eos>"
    assert example.batch.inputs["source"][0, -1] == EOS
    assert text_of(page, ".look-title").startswith("“<eos>”, source position")
    probs = example.recording.attention["encoder.layers.1.self_attn"][0]
    row = page.get_by_role("row", name=re.compile("^layer 1 · head 2"))
    cells = row.get_by_role("cell").all_inner_texts()
    shown = [0 if cell == "·" else int(cell) for cell in cells]
    np.testing.assert_allclose(shown, 100 * probs[2, -1], atol=1)
    page.locator("#live", has_text="“<eos>”, source position").wait_for(state="attached")


@SCHEMES
def test_stepping_the_position_moves_the_gradient(open_page, example, scheme):
    page = open_page("#gradient&target=0", color_scheme=scheme)
    _, norms = flow.position_gradients(example.model, example.batch)
    positions = len(norms[0])

    def reached() -> int:
        return page.locator(
            "[data-side=target] [aria-label=cell] rect:not([fill=transparent])"
        ).count()

    counts = []
    for t in range(3):
        assert f"position {t} " in text_of(page, "#position-now") + " "
        counts.append(reached())
        page.get_by_role("button", name="Next position").click()
    assert counts == sorted(set(counts))  # each position reaches one more token
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowLeft")
    assert "position 2 " in text_of(page, "#position-now")
    page.get_by_role("radiogroup", name="Target positions").get_by_role("radio").last.click()
    assert f"position {positions - 1} " in text_of(page, "#position-now")


def test_the_strip_has_its_numbers_as_a_table_too(open_page, example):
    page = open_page("#gradient&target=0")
    page.get_by_role("button", name="Next position").click()
    page.get_by_text("The same numbers as tables").click()
    table = page.get_by_role("table", name=re.compile("at the source tokens, position 1"))
    places, norms = flow.position_gradients(example.model, example.batch)
    expected = next(
        norm[1]
        for place, norm in zip(places, norms, strict=True)
        if (place.call.path, place.use) == ("encoder", "input")
    )
    cells = table.get_by_role("row", name=re.compile("^embedding")).get_by_role("cell")
    shown = [float(cell.replace("−", "-")) for cell in cells.all_inner_texts()]
    np.testing.assert_allclose(shown, expected, rtol=1e-2)
    rows = table.get_by_role("row").count()
    page.get_by_label("every operation").check()
    assert table.get_by_role("row").count() > 3 * rows
    page.get_by_text("1 From the loss down the decoder").wait_for()


def test_playing_steps_by_itself_and_can_be_stopped(open_page):
    page = open_page("#gradient&target=0", reduced_motion="no-preference")
    page.get_by_role("button", name="Play all positions").click()
    page.locator("#position-now", has_text="position 1 ").wait_for()
    assert page.locator(".falls").count() > 0
    page.locator("#play").click()
    assert page.locator("#play").inner_text() == "Play"


def test_a_token_of_the_summary_leads_to_its_gradient(open_page):
    page = open_page()
    page.get_by_role("button", name=re.compile("Show its gradient")).nth(3).click()
    assert page.get_by_role("tab", selected=True).inner_text() == "Gradient by position"
    assert "position 3 " in text_of(page, "#position-now")


def test_landmarks_names_and_focus(open_page):
    page = open_page()
    for role in ("banner", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1
    assert page.get_by_role("navigation", name="Views").count() == 1
    assert page.get_by_role("tree", name="Modules in the order of the forward").count() == 1
    assert page.get_by_role("tab").count() == 3
    assert page.locator("html").get_attribute("lang") == "en"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    for tab in ("Walk both passes", "Attention by token", "Gradient by position"):
        page.get_by_role("tab", name=tab).click()
        assert page.get_by_role("tabpanel", name=tab).is_visible()
        assert page.evaluate(NAMELESS) == []
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
        assert len(ids) == len(set(ids))
    page.keyboard.press("ArrowLeft")
    assert page.get_by_role("tab", selected=True).inner_text() == "Attention by token"


@SCHEMES
def test_light_and_dark_can_be_read_and_changed(open_page, scheme):
    page = open_page(color_scheme=scheme)
    assert page.locator("html").get_attribute("data-theme") == scheme
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert page.evaluate(FAINT) == []
    other = "dark" if scheme == "light" else "light"
    paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.locator("#theme").click()
    assert page.locator("html").get_attribute("data-theme") == other
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != paper
    assert page.evaluate(FAINT) == []


def test_at_400_pixels_nothing_is_cut_off(open_page):
    page = open_page(
        "#walk&node=decoder.layers.0.cross_attn.attention&cell=scores,0,1,1", width=400
    )
    assert page.get_by_role("complementary").is_visible()
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        box = tab.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 400
        assert page.evaluate(SMALL) == []
    assert page.get_by_role("button", name="Next position").is_visible()


def selected_tab(page) -> str:
    return page.get_by_role("tab", selected=True).inner_text()


def test_the_address_names_the_view(open_page):
    page = open_page("#tokens")
    assert selected_tab(page) == "Attention by token"
    page.evaluate("location.hash = '#gradient'")
    page.get_by_role("tab", name="Gradient by position", selected=True).wait_for()
    page.evaluate("location.hash = '#nowhere&node=none&target=-1&source=x&head=99'")
    page.get_by_role("tab", name="Walk both passes", selected=True).wait_for()
    page.get_by_role("link", name="Skip to the content").press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_an_address_is_a_place_and_back_and_forward_go_between_places(open_page):
    place = "#walk&node=decoder.layers.1.cross_attn.attention&pass=backward&target=3&head=1"
    page = open_page(place)
    assert page.evaluate("document.getElementById('node-name').textContent") == (
        "decoder.layers.1.cross_attn.attention"
    )
    assert text_of(page, "#step-now").startswith("← Backward step")
    page.get_by_role("tab", name="Gradient by position").click()
    assert "position 3 " in text_of(page, "#position-now")
    page.get_by_role("button", name="Next position").click()  # in passing: no place of its own
    page.wait_for_url("**#gradient*target=4*")
    page.get_by_role("radiogroup", name="Target positions").get_by_role("radio").nth(6).click()
    page.go_back()
    assert "position 4 " in text_of(page, "#position-now")
    page.go_back()
    assert selected_tab(page) == "Walk both passes"
    assert page.evaluate("location.hash") == place
    page.go_forward()
    page.go_forward()
    assert "position 6 " in text_of(page, "#position-now")


def test_every_node_has_an_address_of_its_own(data):
    names = [(node["path"] or node["kind"].lower(), node["use"]) for node in data["calls"]]
    assert len(set(names)) == len(names)


def test_one_choice_holds_in_all_views(open_page):
    page = open_page("#tokens")
    page.get_by_role("radiogroup", name="Target tokens").get_by_role("radio").nth(5).click()
    table = page.get_by_role("region", name=re.compile("^Cross-attention, and"))
    table.get_by_role("button", name="layer 1 · head 2").click()
    assert table.get_by_role("button", pressed=True).inner_text() == "layer 1 · head 2"
    assert page.evaluate("document.activeElement.textContent") == "layer 1 · head 2"
    page.get_by_role("tab", name="Walk both passes").click()
    assert page.locator("#node-name").inner_text() == "decoder.layers.1.cross_attn.attention"
    heads = page.locator("#node .head-name[aria-pressed=true]").all_inner_texts()
    assert set(heads) == {"head 2"}
    q = page.locator("figure.tensor").filter(has=page.get_by_text("q", exact=True)).first
    assert q.locator(".row-names .chosen").count() == 3  # of each head
    canvas = q.get_by_role("img").first
    box = canvas.bounding_box()
    rows = q.locator(".row-names").first.locator("li").count()
    canvas.click(position={"x": 5, "y": 2.5 * box["height"] / rows})  # the row of position 2
    page.locator("#node .head-name", has_text="head 0").first.click()
    page.get_by_role("tab", name="Gradient by position").click()
    assert "position 2 " in text_of(page, "#position-now")
    page.get_by_role("tab", name="Attention by token").click()
    assert table.get_by_role("button", pressed=True).inner_text() == "layer 1 · head 0"
    assert "target position 2" in text_of(page, ".look-title")


def test_a_cell_shows_the_row_and_the_column_that_it_is_made_of(open_page, example):
    page = open_page("#walk&node=decoder.layers.0.self_attn.attention")
    call = example.recording["decoder.layers.0.self_attn.attention"]
    canvas = page.locator("[data-tensor=scores] [data-panel='1'] canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    rows = call.output.shape[1]
    row, column = 5, 2
    canvas.click(
        position={
            "x": (column + 0.5) * box["width"] / rows, "y": (row + 0.5) * box["height"] / rows
        }
    )  # fmt: skip
    origin = page.get_by_role("complementary", name="Where a number comes from")
    said = " ".join(origin.inner_text().split()).replace("−", "-")
    score = call.internals["scores"][0, 1, row, column]
    assert float(re.search(r"scores\[0, 1, 5, 2\] = (\S+) is", said)[1]) == pytest.approx(
        score, rel=5e-3
    )
    read = words(example, example.batch.inputs["target"][0])
    assert f"row 5 “{read[5]}” of q times row 2 “{read[2]}” of k." in said
    factor, terms = re.search(r"(\S+) × \( (.*) \) = ", said).groups()
    pairs = [term.replace("(", "").replace(")", "").split("·") for term in terms.split(" + ")]
    assert len(pairs) == call.inputs["q"].shape[-1]
    total = float(factor) * sum(float(a) * float(b) for a, b in pairs)
    assert total == pytest.approx(score, abs=2e-3)
    marked = page.locator(".origin-mark").evaluate_all(
        "(all) => all.map((e) => e.closest('[data-tensor]').dataset.tensor)"
    )
    assert sorted(marked) == ["k", "q", "scores"]
    assert page.evaluate("location.hash").endswith("cell=scores%2C1%2C5%2C2")
    page.get_by_role("button", name="Next step").click()  # which has no such cell
    assert page.locator(".origin-mark").count() == 0
    hidden = open_page("#walk&node=decoder.layers.0.self_attn.attention&cell=scores,0,1,3")
    assert "is hidden by a mask" in text_of(hidden, "#origin")
    hidden.get_by_role("button", name="Close").click()
    assert hidden.locator("#origin").inner_html() == ""


def test_the_chosen_heads_scores_stand_below_its_weights(open_page, example):
    page = open_page("#tokens&node=decoder.layers.1.cross_attn.attention&target=3&head=1")
    row = page.get_by_role("row", name=re.compile("^its scores"))
    cells = row.get_by_role("cell").all_inner_texts()
    scores = example.recording["decoder.layers.1.cross_attn.attention"].internals["scores"]
    shown = [float(cell.replace("−", "-")) for cell in cells]
    np.testing.assert_allclose(shown, scores[0, 1, 3], atol=0.051)

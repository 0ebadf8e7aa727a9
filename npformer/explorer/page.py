"""The page: one HTML file that holds its data, its styles, its scripts and its libraries."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib import resources
from typing import Any

import npformer
from npformer.explorer.arrays import Arrays, rounded
from npformer.explorer.choice import Choice, chosen
from npformer.explorer.flow import flow_data
from npformer.explorer.nodes import Errors, node_data
from npformer.explorer.sentence import model_facts, sentence_data
from npformer.inspect import record
from npformer.inspect.reading import Reading
from npformer.inspect.recording import Recording
from npformer.models.model import Model
from npformer.ops.array import Array
from npformer.text.tokenizer import Tokenizer

LIBRARIES = ("d3.min.js", "plot.umd.min.js")
SCRIPTS = (
    "data.js",
    "dom.js",
    "state.js",
    "marks.js",
    "colour.js",
    "heatmap.js",
    "summary.js",
    "graph.js",
    "layers.js",
    "drawing.js",
    "items.js",
    "formula.js",
    "node.js",
    "origin.js",
    "walk.js",
    "tokens.js",
    "table.js",
    "attention.js",
    "overview.js",
    "gradient.js",
    "chart.js",
    "depth.js",
    "numbers.js",
    "views.js",
)
"""In the order in which the page reads them, as one script."""


def build_page(
    model: Model,
    tokenizer: Tokenizer,
    reading: Reading,
    *,
    choice: Choice | None = None,
    errors: Errors | None = None,
    against: str = "this target",
) -> str:
    """The page on what is read (``npformer.inspect.read_pair``), as the text of an HTML file.

    ``choice`` says which layers and heads are shown; without one, as many as make a page of 8 MB
    (``chosen``, which also says what it raises). ``errors`` is what ``npformer.verify.node_errors``
    measured on the same batch; without it the page says how to get it. ``against`` says what the
    target is, as the losses are against it.
    """
    data = page_data(model, tokenizer, reading, choice=choice, errors=errors, against=against)
    libraries = [_asset("vendor", name) for name in LIBRARIES]
    script = "\n".join(_asset("assets", name) for name in SCRIPTS)
    scripts = [*libraries, f'(() => {{\n"use strict";\n{script}\n}})();\n']
    parts = {
        "title": html.escape(f"npformer explorer: {reading.source or reading.target}"),
        "policy": html.escape(_policy(scripts)),
        "style": _asset("assets", "explorer.css"),
        "data": _json(data),
        "libraries": "".join(f"<script>{library}</script>\n" for library in libraries),
        "script": scripts[-1],
    }
    page = _asset("assets", "index.html")
    before, *rest = page.split("{{")
    filled = [before]
    for piece in rest:  # one pass, so that no part is searched for another's place
        name, _, after = piece.partition("}}")
        filled += [parts[name], after]
    return "".join(filled)


def page_data(
    model: Model,
    tokenizer: Tokenizer,
    reading: Reading,
    *,
    choice: Choice | None = None,
    errors: Errors | None = None,
    against: str = "this target",
) -> dict[str, Any]:
    """Everything that the page shows, as JSON takes it; the arguments of ``build_page``."""
    choice = choice or chosen(model, reading)
    recording = record(model, reading.batch)
    arrays = Arrays(choice.heads, choice.of_heads)
    nodes = node_data(recording, model.state_dict(), arrays, errors, choice.keeps)
    maps = [
        {"path": path, "array": arrays.add(_map(path, probs, recording, reading), name="probs")}
        for path, probs in recording.attention.items()
        if choice.keeps(path)
    ]
    sentence = sentence_data(tokenizer, reading, recording[""].output)
    loss, stacks = rounded(recording.loss), list(recording.streams.values())
    del recording  # the next ones are as large
    return {
        "version": npformer.__version__,
        "loss": loss,
        "against": against,
        "sentence": sentence,
        "facts": model_facts(model),
        "stacks": stacks,
        "causal": model.decodes,
        "choice": choice._asdict(),
        "measured": errors is not None,
        **nodes,
        "maps": maps,
        "flow": flow_data(model, reading, choice.keeps),
        "arrays": arrays.entries,
    }


def _map(path: str, probs: Array, recording: Recording, reading: Reading) -> Array:
    """Attention's probabilities, of a source's positions by the columns that it has."""
    source = next(iter(recording.streams.values()))
    if not reading.sources:
        return probs
    if path.startswith(source):
        return reading.looking(reading.looked_at(probs))
    return reading.looked_at(probs) if path.endswith("cross_attn") else probs


def _asset(folder: str, name: str) -> str:
    file = resources.files("npformer.explorer") / folder / name
    return file.read_text(encoding="utf-8")


def _json(data: dict[str, Any]) -> str:
    """JSON that an HTML parser reads as plain text: no tag can open or close in it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _policy(scripts: list[str]) -> str:
    """Nothing may be fetched from anywhere, and only these scripts may run."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'"
        for s in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )

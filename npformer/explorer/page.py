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
from npformer.explorer.flow import flow_data
from npformer.explorer.nodes import Errors, node_data
from npformer.explorer.sentence import model_facts, one_pair, sentence_data
from npformer.inspect import record
from npformer.models.model import Model
from npformer.text.tokenizer import Tokenizer

LIBRARIES = ("d3.min.js", "plot.umd.min.js")
SCRIPTS = (
    "data.js",
    "dom.js",
    "colour.js",
    "heatmap.js",
    "summary.js",
    "tree.js",
    "formula.js",
    "node.js",
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
    source: str,
    target: str,
    *,
    errors: Errors | None = None,
    against: str = "this target",
) -> str:
    """The page on ``source`` and its translation ``target``, as the text of an HTML file.

    ``errors`` is what ``npformer.verify.node_errors`` measured on the same pair; without it the
    page says how to get it. ``against`` says what ``target`` is, as the losses are against it.
    Raises ``NpformerError`` for a text that is empty or too long.
    """
    data = page_data(model, tokenizer, source, target, errors=errors, against=against)
    libraries = [_asset("vendor", name) for name in LIBRARIES]
    script = "\n".join(_asset("assets", name) for name in SCRIPTS)
    scripts = [*libraries, f'(() => {{\n"use strict";\n{script}\n}})();\n']
    parts = {
        "title": html.escape(f"npformer explorer: {source}"),
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
    source: str,
    target: str,
    *,
    errors: Errors | None = None,
    against: str = "this target",
) -> dict[str, Any]:
    """Everything that the page shows, as JSON takes it."""
    batch = one_pair(model, tokenizer, source, target)
    recording = record(model, batch)
    arrays = Arrays()
    nodes = node_data(recording, model.state_dict(), arrays, errors)
    maps = [
        {"path": path, "array": arrays.add(probs, name="probs")}
        for path, probs in recording.attention.items()
    ]
    return {
        "version": npformer.__version__,
        "loss": rounded(recording.loss),
        "against": against,
        "sentence": sentence_data(tokenizer, batch, recording[""].output, source, target),
        "facts": model_facts(model),
        "measured": errors is not None,
        **nodes,
        "maps": maps,
        "flow": flow_data(model, batch),
        "arrays": arrays.entries,
    }


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

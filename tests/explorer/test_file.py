"""The file: small, whole in itself, and safe whatever the text is."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib import resources

import numpy as np
import pytest

from npformer.explorer import build_page, page
from npformer.inspect import read_pair
from npformer.models.transformer import Transformer
from npformer.presets import model_preset
from npformer.text.tokenizer import Tokenizer

VENDOR = resources.files("npformer.explorer") / "vendor"


class Parts(HTMLParser):
    """Every tag with its attributes, and what each script holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs).get("type"), ""))

    def handle_data(self, data):
        if self.cdata_elem == "script":
            kind, before = self.scripts[-1]
            self.scripts[-1] = (kind, before + data)


@pytest.fixture(scope="module")
def parts(text) -> Parts:
    return Parts(text)


def test_under_5_mb_for_a_tiny_model_and_20_tokens():
    """Random weights: trained ones are no larger in three digits a number."""
    words = [f"w{number}" for number in range(2990)]
    tokenizer = Tokenizer.train([" ".join(words)], kind="word", vocab_size=3000)
    config = model_preset("tiny", vocab_size=tokenizer.vocab_size)
    model = Transformer(config, rng=np.random.default_rng(0))
    text = build_page(
        model, tokenizer, read_pair(model, tokenizer, " ".join(words[:19]), " ".join(words[19:38]))
    )
    assert len(text.encode()) < 5e6


def test_nothing_is_asked_of_any_network(text, parts):
    for tag, attributes in parts.tags:
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            address = attributes.get(name)
            assert address is None or address.startswith(("#", "data:")), (tag, name, address)
        assert tag not in ("iframe", "object", "embed", "base", "form")
    found = set(re.findall(r"https?://[^\s\"'<>)`]+", text))
    namespaces = {address for address in found if address.startswith("http://www.w3.org/")}
    assert found - namespaces <= {"https://d3js.org"}  # a library's own first line, a comment
    styles = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in styles
    assert "@import" not in styles


def test_the_policy_lets_only_the_files_own_scripts_run(parts):
    policy = next(
        attributes["content"]
        for tag, attributes in parts.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    programs = [script for kind, script in parts.scripts if kind is None]
    digests = [base64.b64encode(hashlib.sha256(p.encode()).digest()).decode() for p in programs]
    assert rules["script-src"].split() == [f"'sha256-{digest}'" for digest in digests]
    assert not any(name.startswith("on") for _, attributes in parts.tags for name in attributes)


def test_the_data_is_json_and_the_same_as_in_python(parts, data):
    (held,) = [script for kind, script in parts.scripts if kind == "application/json"]
    assert json.loads(held) == json.loads(json.dumps(data))


def test_a_text_that_looks_like_html_stays_text():
    nasty = "</script><script>alert(1)</script> {{data}} & <!-- \u2028"
    tokenizer = Tokenizer.train([nasty], kind="char", vocab_size=60)
    sizes = dict(d_model=8, heads=2, d_ff=8, vocab_size=tokenizer.vocab_size)
    config = model_preset("tiny", **sizes)
    model = Transformer(config, rng=np.random.default_rng(0))
    page_text = build_page(model, tokenizer, read_pair(model, tokenizer, nasty, nasty))
    parts = Parts(page_text)
    assert [kind for kind, _ in parts.scripts] == ["application/json", None, None, None]
    assert json.loads(parts.scripts[0][1])["sentence"]["source"]["text"] == nasty
    assert "alert(1)</" not in page_text.replace("&lt;", "<").split("<style>")[1]


def test_every_asset_is_in_the_page(text):
    folder = resources.files("npformer.explorer") / "assets"
    scripts = {file.name for file in folder.iterdir() if file.name.endswith(".js")}
    assert scripts == set(page.SCRIPTS)
    for name in (*page.SCRIPTS, "explorer.css"):
        assert (folder / name).read_text(encoding="utf-8").strip() in text
    assert "{{" not in text.partition('<script type="application/json"')[0]


def test_the_libraries_are_those_of_the_registry():
    """NOTICE names each with its sha256 and licence, and no other script lies beside them."""
    notice = (VENDOR / "NOTICE").read_text(encoding="utf-8")
    rows = re.findall(r"^(\S+) +([\d.]+) +(\S+\.js) +([0-9a-f]{64}) +\w+, (\S+)$", notice, re.M)
    assert {file for _, _, file, _, _ in rows} == set(page.LIBRARIES)
    assert {f.name for f in VENDOR.iterdir() if f.name.endswith(".js")} == set(page.LIBRARIES)
    for name, version, file, digest, licence in rows:
        content = (VENDOR / file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest, file
        assert f"v{version} Copyright".encode() in content[:200], name
        assert "Permission to use, copy, modify" in (VENDOR / licence).read_text(encoding="utf-8")


def test_the_licence_of_every_part_of_the_libraries_is_there():
    notice = (VENDOR / "NOTICE").read_text(encoding="utf-8")
    held = {f.name.removeprefix("LICENSE.") for f in (VENDOR / "licenses").iterdir()}
    named = set(re.findall(r"([a-z0-9-]+) \((?:BSD|ISC|MIT|public)", notice))
    assert held == named | {"d3", "plot"}

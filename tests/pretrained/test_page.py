"""The page on models that others have trained: its code runs on one."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pretrained.md"


def test_the_code_of_the_page(published, tmp_path, monkeypatch):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "SmolLM2-135M").symlink_to(published("llama")[1])
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    ids = np.arange(6)[None]
    names = {"ids": ids, "dlogits": np.ones((1, 6, 43), np.float32)}
    exec(compile(code, PAGE.name, "exec"), names)
    assert names["logits"].shape == (1, 6, 43)
    assert all(p.grad is not None for p in names["found"].model.parameters())

"""Other sentence splitters on the sets of ``sentences/``: `python -m tests.text.compare_splitters`.

Wants ``pip install sentencex pysbd spacy syntok blingfire``; what is not installed is left out. A
language that a splitter does not have is given to its English. NLTK's Punkt is not among them: its
model is a download of its own.
"""

from __future__ import annotations

import functools
import importlib.metadata
import time
from collections.abc import Callable
from pathlib import Path

from npformer.text.sentences import split_sentences
from tests.text.test_sentence_sets import SETS, case

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = frozenset("am ar bo el hi hy ja km my ur zh".split())
Split = Callable[[str, str], list[str]]


def sentencex() -> Split:
    from sentencex import segment

    return lambda text, language: list(segment(language, text))


def pysbd() -> Split:
    import pysbd as library
    from pysbd.languages import LANGUAGE_CODES

    @functools.cache
    def segmenter(language: str):
        return library.Segmenter(language if language in LANGUAGE_CODES else "en", clean=False)

    return lambda text, language: segmenter(language).segment(text)


def spacy() -> Split:
    import spacy as library

    @functools.cache
    def pipeline(language: str):
        try:
            made = library.blank(language)
        except ImportError:
            made = library.blank("en")
        made.add_pipe("sentencizer")
        made.max_length = 1 << 40
        return made

    return lambda text, language: [span.text for span in pipeline(language)(text).sents]


def syntok() -> Split:
    from syntok import segmenter

    def split(text: str, _language: str) -> list[str]:
        return [
            "".join(token.spacing + token.value for token in sentence)
            for paragraph in segmenter.process(text)
            for sentence in paragraph
        ]

    return split


def blingfire() -> Split:
    from blingfire import text_to_sentences

    return lambda text, _language: text_to_sentences(text).split("\n")


def prose(size: int) -> str:
    """The paragraphs of this repository's pages, a line each, again and again."""
    pages = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("walkthroughs/*.md")])
    blocks = "\n\n".join(page.read_text(encoding="utf-8") for page in pages).split("\n\n")
    paragraphs = [" ".join(block.split()) for block in blocks if block[:1].isupper()]
    text = "\n".join(paragraphs) + "\n"
    return (text * (size // len(text) + 1))[:size]


def right(split: Split, paths: list[Path], *, held: bool) -> str:
    """How many lines of the sets it cuts as they say: of every other line, or of all."""
    good = total = 0
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines()[1 if held else 0 :: 2 if held else 1]
        for line in lines:
            text, sentences = case(line.removeprefix("~ "))
            good += [s for piece in split(text, path.stem) if (s := piece.strip())] == sentences
            total += 1
    return f"{good}/{total}"


def speed(split: Split) -> float:
    """MB/s of English prose: of 10 MB, or of 0.2 MB where that alone takes over a second."""
    for size in (200_000, 10_000_000):
        text = prose(size)
        begin = time.process_time()
        split(text, "en")
        rate = size / 1e6 / (time.process_time() - begin)
        if size / rate > 1e6:
            break
    return rate


def main() -> None:
    splitters: dict[str, Split] = {"npformer": split_sentences}
    for make in (sentencex, pysbd, spacy, syntok, blingfire):
        try:
            splitters[f"{make.__name__} {importlib.metadata.version(make.__name__)}"] = make()
        except ImportError:
            print(f"{make.__name__} is not installed")
    groups = {
        "English": [path for path in SETS if path.stem == "en"],
        "German": [path for path in SETS if path.stem == "de"],
        "9 other languages": [p for p in SETS if p.stem not in SCRIPTS | {"en", "de"}],
        "11 other scripts": [path for path in SETS if path.stem in SCRIPTS],
    }
    print("| splitter |", " | ".join(groups), "| held-out half of all | MB/s |")
    print("|---" * (len(groups) + 3) + "|")
    for name, split in splitters.items():
        counts = [right(split, paths, held=False) for paths in groups.values()]
        held = right(split, SETS, held=True)
        print(f"| {name} |", " | ".join(counts), f"| {held} | {speed(split):.2f} |", flush=True)


if __name__ == "__main__":
    main()

"""Bytes as characters: the alphabet of byte-level BPE, and how a piece of a text is shown."""

from __future__ import annotations


def byte_letters() -> dict[str, int]:
    """The visible character that byte-level BPE writes for each byte (Radford et al., 2019)."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    letters = {chr(byte): byte for byte in visible}
    return letters | {chr(256 + n): byte for n, byte in enumerate(hidden)}


def readable(piece: bytes) -> str:
    """Bytes of a text as they are shown: a space as ``▁``, a part of a character as ``‹C3›``."""
    text = piece.decode("utf-8", errors="surrogateescape")
    shown = (f"‹{ord(c) - 0xDC00:02X}›" if "\udc80" <= c <= "\udcff" else c for c in text)
    return "".join(shown).replace(" ", "▁").replace("\n", "⏎").replace("\t", "⇥")

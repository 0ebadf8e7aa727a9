"""Languages that a model is told by an id of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from npformer.errors import TokenizerError, nearest
from npformer.text.formats.languages import matches


class Languages(NamedTuple):
    """The ids of a model's languages, and where they stand."""

    ids: Mapping[str, int]
    """By the model's own names: ``deu_Latn``, ``de``, ``deu``."""
    in_source: bool
    """Whether the target's stands before a source (OPUS-MT), and the source's nowhere.

    Otherwise the source's stands there, and a translation begins with the target's (M2M-100, NLLB).
    """

    def id_of(self, name: str) -> int:
        """The id of a language by its name, or by one that only it has: ``German`` is ``deu_Latn``.

        Raises TokenizerError, which says what there is, for a name that none has or several have.
        """
        if name in self.ids:
            return self.ids[name]
        found = [own for own in self.ids if matches(own, name)]
        if len(found) == 1:
            return self.ids[found[0]]
        if found:
            raise TokenizerError(f"the language {name!r} may be {listed(found)}; give one of them")
        raise TokenizerError(
            f"this model has no language {name!r}; it has {listed(self.ids)}"
            + nearest(name, self.ids)
        )


def listed(names: Mapping[str, int] | list[str]) -> str:
    """Names in their order."""
    return ", ".join(sorted(names))

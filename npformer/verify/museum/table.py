"""``museum``: every specimen before every tester, in one run; as a table, Markdown or JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from npformer.cards.mutant import Mutant
from npformer.errors import VerifyError
from npformer.verify.components.registry import component
from npformer.verify.museum.rivals import CASES, RIVALS, Rival, catches, version
from npformer.verify.mutants import MUTANTS, MutantTrial, try_mutant

if TYPE_CHECKING:
    from rich.table import Table

WORDS = {True: "yes", False: "no", None: "-"}
MEASURED = ("torch", "jax", "numpy")


@dataclass(frozen=True)
class Exhibit:
    """One specimen, and who catches it."""

    mutant: Mutant
    rivals: tuple[bool | None, ...]
    """In the order of ``RIVALS``; None where one has nothing to say."""
    ours: MutantTrial


@dataclass(frozen=True)
class Museum:
    """All of them."""

    exhibits: tuple[Exhibit, ...]
    seed: int

    @property
    def passed(self) -> bool:
        """Whether ours catches every one."""
        return all(each.ours.caught for each in self.exhibits)

    @property
    def caught(self) -> tuple[str, ...]:
        """By each rival and by ours, ``41 of 59``."""
        counts = []
        for i, rival in enumerate(RIVALS):
            said = [each.rivals[i] for each in self.exhibits if each.rivals[i] is not None]
            counts.append(f"{sum(map(bool, said))} of {len(said)}" if said else _absent(rival))
        ours = sum(each.ours.caught for each in self.exhibits)
        return (*counts, f"{ours} of {len(self.exhibits)}")

    @property
    def caption(self) -> str:
        """What was measured, and with which versions."""
        versions = ", ".join(f"{name} {version(name) or 'not installed'}" for name in MEASURED)
        rivals = "; ".join(f"{rival.name} is {rival.words}" for rival in RIVALS)
        return (
            f"Measured with {versions}, seed {self.seed}. A rival gets a test file of "
            f"{CASES['ops']} cases ({CASES['models']} for a model) of fixed shapes, a size of its "
            "own for each letter, with generic numbers in contiguous arrays, a random upstream "
            "gradient, and every option in turn; cases on which it rejects the right version are "
            "left out. It catches a wrong version that it rejects on another. - is an optimizer, "
            f"which has no gradient to check. {rivals}. Ours draws cases until one is rejected: "
            "how many it took, and by which oracle."
        )

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; null where a rival has nothing to say."""
        return {
            "versions": {name: version(name) for name in MEASURED},
            "seed": self.seed,
            "caption": self.caption,
            "caught": dict(zip((*(rival.name for rival in RIVALS), "ours"), self.caught,
                               strict=True)),
            "specimens": [
                {
                    "name": each.mutant.name,
                    "wrong": each.mutant.wrong,
                    "seen": each.mutant.seen,
                    "smallest": each.mutant.smallest,
                    "missed_by": missed_by(each.mutant),
                    "rivals": dict(zip((r.name for r in RIVALS), each.rivals, strict=True)),
                    "ours": each.ours.caught,
                    "cases": each.ours.cases,
                    "oracle": each.ours.failure.oracle if each.ours.failure else None,
                }
                for each in self.exhibits
            ],
        }  # fmt: skip

    def table(self) -> Table:
        """As a rich table for 80 columns; Markdown and JSON say more.

        The last column is the number of cases that ours took.
        """
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
        table.add_column("specimen", overflow="fold")
        for heading in (*(rival.heading or rival.name for rival in RIVALS), "ours"):
            table.add_column(heading, no_wrap=True)
        for each in self.exhibits:
            name = f"{each.mutant.name}\n[dim]{each.mutant.seen}[/]"
            ours = str(each.ours.cases) if each.ours.caught else "no"
            table.add_row(name, *_cells(each)[:-1], ours)
        return table

    @property
    def totals(self) -> str:
        """``gradcheck 40 of 59, ...``, in a line."""
        names = (*(rival.name for rival in RIVALS), "ours")
        return ", ".join(f"{n} {count}" for n, count in zip(names, self.caught, strict=True))

    def markdown(self) -> str:
        """A line for each specimen, with its source, and the caption below."""
        heads = ["specimen", "what is wrong", "seen in", "smallest shapes",
                 "missed by a test with", *(rival.name for rival in RIVALS), "ours"]  # fmt: skip
        lines = [heads, ["---"] * len(heads)]
        for each in self.exhibits:
            mutant = each.mutant
            cells = [mutant.name, mutant.wrong, link(mutant.seen), mutant.smallest,
                     missed_by(mutant), *_cells(each)]  # fmt: skip
            lines.append([cell.replace("|", "\\|") for cell in cells])
        lines.append(["caught", "", "", "", "", *self.caught])
        return "".join(f"| {' | '.join(line)} |\n" for line in lines) + f"\n{self.caption}\n"


def museum(
    components: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Museum:
    """Every specimen of these components (all if None) before every rival, and before ours.

    Raises ``VerifyError`` for a component that does not exist or has no specimen.
    """
    specimens = [mutant for mutant in MUTANTS.values() if mutant.seen]
    if components is not None:
        components = [component(name).name for name in components]
    for name in components or ():
        if not any(mutant.component == name for mutant in specimens):
            have = dict.fromkeys(mutant.component for mutant in specimens)
            raise VerifyError(f"the museum has nothing of {name!r}; it has {', '.join(have)}")
    exhibits = []
    for mutant in specimens:
        if components is not None and mutant.component not in components:
            continue
        if progress is not None:
            progress(mutant.name)
        planted = mutant.plant(component(mutant.component))
        rivals = tuple(catches(rival, planted, mutant.component) for rival in RIVALS)
        exhibits.append(Exhibit(mutant, rivals, try_mutant(mutant, seed=seed)))
    return Museum(tuple(exhibits), seed)


def missed_by(mutant: Mutant) -> str:
    """The ordinary test, in words."""
    return mutant.missed_by.words if mutant.missed_by else ""


def link(seen: str) -> str:
    """``owner/name#1`` as a Markdown link to the issue or pull request."""
    repository, _, number = seen.partition("#")
    return f"[{repository.partition('/')[2]}#{number}](https://github.com/{repository}/issues/{number})"


def _cells(each: Exhibit) -> list[str]:
    rivals = [
        WORDS[said] if said is not None or version(rival.package) else ""
        for rival, said in zip(RIVALS, each.rivals, strict=True)
    ]
    failure = each.ours.failure
    return [*rivals, f"{each.ours.cases}, {failure.oracle}" if failure else "nobody"]


def _absent(rival: Rival) -> str:
    return "-" if version(rival.package) else "not installed"

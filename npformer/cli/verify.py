"""``npformer verify``: every hand-written gradient against its oracles, as a table.

The engine needs PyTorch, whose import takes seconds; each branch of the command asks for its own
part of it, so that ``--help`` and a wrong option are answered at once.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from npformer.cli.arguments import UsageError
from npformer.cli.figures import reporter, write_figures
from npformer.cli.model_options import ModelOptions, check_named
from npformer.errors import VerifyError

if TYPE_CHECKING:
    from npformer.verify.mutants import MutationScore
    from npformer.verify.report import Report
    from npformer.verify.verdict import Failure

FAILED, NO_VERDICT = 1, 2


@dataclass(frozen=True)
class Command:
    """Check the hand-written gradients of operations, modules, model and optimizers.

    Each component is run on generated cases: sizes that differ in every letter, strided and
    read-only arrays, extreme magnitudes, masks that hide everything. A random gradient comes from
    above, parameters are off their initial values, and three oracles must agree: PyTorch's
    autograd, a directional derivative of the NumPy forward itself, and the invariants of the
    operation.

    The columns: forward and gradient are the worst errors in rounding units,
    |result - reference| / (eps x condition scale), so that 1 is the rounding that the operation
    cannot avoid; torch is PyTorch's own error, measured the same way. Errors up to 4 pass, or up
    to twice PyTorch's own but at most 8; a wrong gradient has an error of millions. directional
    counts the cases that the directional derivative confirmed. Modules and optimizers get fewer
    cases than operations, as theirs take longer.

    --implementation takes a gradient of your own: my_package.my_module:name, found from the current
    directory, or path.py:name. The name may be a torch.autograd.Function, a torch.nn.Module, a
    function of tensors or of JAX's arrays, WithVJP(function, vjp), a function of arrays beside
    another, name_backward, or an object with forward and backward. --against
    says what it must agree with: an operation from the table, which brings its own cases, or
    something of yours; without it, the derivative of its own forward. --inputs says what goes in,
    one letter an axis: "td, vd, t:int<v" has integers, "bnd, bgd; n = 2 g" a relation. Sizes are
    small, and now and then at the edge of a kernel's block, 8 to 1025; --sizes says others.

    --model takes a whole model of yours and asks what must hold of any Transformer: no output
    depends on a later token, a prefix gives its outputs, a cached step those of the full pass,
    padding and neighbours in the batch change nothing, every parameter gets a gradient, and more.
    The name is that of a torch.nn.Module, of a NumPy module with forward and backward, or of a
    function that builds one, whose booleans and choices are tried too; or a family, such as gpt;
    or a run's directory. What cannot be asked is listed with the reason. Where outputs depend on
    later tokens and the model does not say that it is a decoder, --causal yes asks it as one.

    --mutants measures the mutation score: known wrong backwards take the place of the right ones,
    and each must be caught. --museum shows those that were seen in public, with their sources, to
    torch's gradcheck, jax's check_grads (if jax is installed), comparisons at others' tolerances
    and this checker, and says who catches which; it takes some minutes.

    Exit status: 0 if all is right, 1 if not, 2 for a bad command line, and for a model that may
    have to be causal where neither it nor --causal says so.

    Examples:
      npformer verify
      npformer verify --implementation my_package.my_module:layer_norm --against layer_norm
      npformer verify --implementation kernels:Swish --inputs btd --against torch.nn.functional:silu
      npformer verify --implementation kernels:Swish --inputs btd --sizes t=64,65 d=100-200
      npformer verify --component layer_norm attention --cases 1000 --seed 7
      npformer verify --component softmax --mutants
      npformer verify --model my_package.my_model:build --causal yes --step my_package.my_model:step
      npformer verify --museum --json museum.json
      npformer verify --json report.json
      npformer verify --component layer_norm --arrays case.npz
    """

    component: tuple[str, ...] = ()
    """Names from the table's first column; every component unless given."""
    implementation: str | None = None
    """Your own: my_package.my_module:name, or path.py:name."""
    against: str | None = None
    """What --implementation must agree with: an operation's name, or my_package.my_module:name."""
    inputs: str | None = None
    """What goes into --implementation: "btd, d, d" is an array for each word, an axis a letter.
    Into --model: my_module:name, a function (batch, length, rng) of arrays, or arrays."""
    sizes: tuple[str, ...] = ()
    """What sizes the letters of --inputs have: t=65,128 or t=1-128, one or more."""
    dtypes: tuple[Literal["float64", "float32", "float16", "bfloat16"], ...] = (
        "float64",
        "float32",
    )
    """The precisions to check in; a kernel may have one alone, and of sixteen bits it must be."""
    cases: int = 50
    """Generated cases for each operation and each of float64 and float32."""
    accept: float | None = None
    """Of --implementation: errors up to this many rounding units pass, and the result says so."""
    double_backward: tyro.conf.FlagCreatePairsOff[bool] = False
    """Check the own gradient of the gradient that --implementation has."""
    device: str = "cpu"
    """Of the tensors that --implementation gets, such as cuda."""
    seed: int = 0
    """Decides every case; the same seed gives the same cases."""
    debug: tyro.conf.FlagCreatePairsOff[bool] = False
    """If --implementation is wrong, stop in pdb inside its backward, at the smallest input."""
    mutants: tyro.conf.FlagCreatePairsOff[bool] = False
    """Also put known wrong backwards in place of the right ones; each must be caught."""
    museum: tyro.conf.FlagCreatePairsOff[bool] = False
    """Only show wrong gradients that were seen in public to other testers and to this one."""
    arrays: Path | None = None
    """Check one operation on the arrays of this .npz: its arguments by name, and dy if you like."""
    json: Path | None = None
    """Also write the results to this file; - is standard output."""
    html: Path | None = None
    """Also write them here as a page, one file that needs no other."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""
    whole: Annotated[ModelOptions, tyro.conf.arg(name="")] = field(default_factory=ModelOptions)

    def __call__(self) -> int:
        """The exit status; raises ``UsageError`` for options of another kind of check."""
        console = reporter(self.json, self.quiet)
        self.whole.refuse_without_model()
        if self.whole.model is not None:
            return self._check_model(self.whole.model, console)
        if self.implementation is not None:
            return self._check_implementation(self.implementation, console)
        if self._for_implementation():
            raise UsageError(
                "--against, --inputs, --sizes, --accept, --double-backward, --device and --debug "
                "go with --implementation"
            )
        if self.museum:
            return self._show_museum(console)
        if self.arrays is not None:
            return self._check_given(self.arrays, console)
        from npformer.verify.report import run

        chosen = self.component or None
        with console.status("verifying") as status:
            report = run(
                chosen,
                self.cases,
                self.seed,
                self.dtypes,
                progress=lambda name: status.update(f"verifying {name}"),
            )
        console.print(report.table())
        console.print("\n".join(report.failures()), highlight=False, markup=False, end="")
        passed = report.passed
        found: dict[str, Any] = report.to_dict()
        score = None
        console.print(
            f"{sum(r.passed for r in report.results)} of {len(report.results)} right, "
            f"{report.cases:,} cases, seed {self.seed}",
            highlight=False,
        )
        if self.mutants:
            from npformer.verify.mutants import mutation_score

            with console.status("planting mutants"):
                score = mutation_score(chosen, seed=self.seed)
            console.print(_mutants_table(score))
            passed = passed and score.passed
            found["mutants"] = score.to_dict()
        self._write(report, found, score)
        return 0 if passed else FAILED

    def _for_implementation(self) -> bool:
        """Whether an option is given that says something of an implementation."""
        given = (self.against, self.inputs, self.accept, self.device)
        flags = self.debug or self.double_backward
        return given != (None, None, None, "cpu") or bool(self.sizes or flags)

    def _check_implementation(self, reference: str, console: Console) -> int:
        if self.component or self.mutants or self.museum or self.arrays:
            raise UsageError(
                "--implementation goes without --component, --mutants, --museum and --arrays"
            )
        from npformer.verify.check import check
        from npformer.verify.report import of
        from npformer.verify.subjects.loading import load

        against = self.against
        with console.status("verifying") as status:
            result = check(
                load(reference),
                self.inputs,
                against=load(against) if against and ":" in against else against,
                sizes=dict(map(_sizes, self.sizes)),
                cases=self.cases * len(self.dtypes),
                seed=self.seed,
                dtypes=self.dtypes,
                accept=self.accept,
                double=self.double_backward,
                device=self.device,
                progress=status.update,
            )
            failure = result.failure
            if failure is not None and failure.oracle == "contract":
                raise VerifyError(
                    f"{result.name}: {failure.result}: {failure.message}{_given(failure)}"
                )
            told = str(result)  # which looks for what is wrong
        report = of(result)
        console.print(report.table())
        console.print(told, highlight=False, markup=False, soft_wrap=True)
        self._write(report, report.to_dict(), None)
        if self.debug and result.subject and failure and failure.case:
            from npformer.verify.answer.debug import debug

            debug(result.subject, failure.case)
        return 0 if result.passed else FAILED

    def _check_model(self, name: str, console: Console) -> int:
        of_others = (self.implementation, self.component, self.against, self.arrays, self.sizes)
        if any(of_others) or self.mutants or self.museum or self.html:
            raise UsageError(f"--model goes with {self.whole.allowed()} alone")
        with console.status("verifying") as status:
            result = check_named(name, self.whole, self.inputs, self.seed, status.update)
        console.print(str(result), highlight=False, markup=False, soft_wrap=True)
        write_figures(self.json, "verify", result.to_dict())
        if result.undecided and not result.broken:
            return NO_VERDICT
        return 0 if result.passed else FAILED

    def _show_museum(self, console: Console) -> int:
        others = (self.mutants, self.arrays, self.html, self.cases != Command.cases)
        if any(others) or self.dtypes != Command.dtypes:
            raise UsageError("--museum goes with --component, --seed and --json alone")
        from npformer.verify.museum.table import museum

        with console.status("opening the museum") as status:
            found = museum(self.component or None, self.seed, progress=status.update)
        console.print(found.table())
        console.print(f"caught: {found.totals}", highlight=False)
        console.print(found.caption, style="dim", highlight=False, markup=False)
        write_figures(self.json, "verify", found.to_dict())
        return 0 if found.passed else FAILED

    def _write(self, report: Report, found: dict[str, Any], score: MutationScore | None) -> None:
        write_figures(self.json, "verify", found)
        if self.html is not None:
            from npformer.verify.answer.page import page

            self.html.write_text(page(report, score), encoding="utf-8")

    def _check_given(self, path: Path, console: Console) -> int:
        if len(self.component) != 1 or self.mutants or self.html:
            raise UsageError("--arrays goes with one --component, --seed and --json alone")
        from npformer.verify.given import check_arrays, separate

        arrays = _read_arrays(path)
        dy = arrays.pop("dy", None)
        inputs, static = separate(self.component[0], arrays)
        outcome = check_arrays(self.component[0], inputs, dy, self.seed, **static)
        table = Table(box=box.SIMPLE_HEAD, show_edge=False)
        table.add_column("result")
        table.add_column("rounding units", justify="right")
        table.add_column("torch", justify="right")
        for name, error in outcome.ours.items():
            table.add_row(name, f"{error:.3g}", f"{outcome.pytorch[name]:.3g}")
        console.print(table)
        for failure in outcome.failures:
            console.print(str(failure), highlight=False, markup=False)
        found = {"component": self.component[0], "seed": self.seed, "errors": outcome.ours}
        failures = [str(failure) for failure in outcome.failures]
        write_figures(
            self.json, "verify", {**found, "torch": outcome.pytorch, "failures": failures}
        )
        return FAILED if outcome.failures else 0


def _given(failure: Failure) -> str:
    """The shapes that did it."""
    case = failure.case
    if case is None:
        return ""
    shapes = [f"{name} {array.shape}" for name, array in case.inputs.items()]
    return f"; given {', '.join(shapes)}, {case.dy.dtype}"


def _sizes(text: str) -> tuple[str, list[int]]:
    """``t=64,65`` or ``t=1-128``."""
    found = re.fullmatch(r"([A-Za-z])=((?:\d+(?:-\d+)?)(?:,\d+(?:-\d+)?)*)", text)
    if found is None:
        raise UsageError(f"--sizes {text!r} says nothing; write t=65,128 or t=1-128")
    sizes: list[int] = []
    for part in found[2].split(","):
        first, _, last = part.partition("-")
        sizes += range(int(first), int(last or first) + 1)
    return found[1], sizes


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise VerifyError(
            f"{path} is not a .npz file of plain arrays; write one with np.savez"
        ) from error


def _mutants_table(score: MutationScore) -> Table:
    title = f"{score.caught} of {score.total} wrong backwards caught"
    table = Table(title=title, title_style="dim", box=box.SIMPLE_HEAD, show_edge=False)
    for heading in ("mutant", "what it gets wrong", "caught by"):
        table.add_column(heading)
    table.add_column("cases", justify="right")
    for trial in score.trials:
        by = trial.failure.oracle if trial.failure else "[red]nobody[/]"
        table.add_row(trial.mutant.name, trial.mutant.wrong, by, str(trial.cases))
    return table

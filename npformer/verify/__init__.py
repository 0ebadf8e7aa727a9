"""The gradient-equivalence engine: it proves a hand-written backward right, or shows where not.

    from npformer.verify import run
    report = run(["layer_norm", "attention"], cases=200)

Cases are drawn from letter specs (``strategies``), run through three oracles (``oracles``,
``invariants``), and judged in natural units (``error``, ``scales``). ``registry`` lists what can
be checked. ``mutants`` are wrong on purpose, and prove that the checker can fail. Needs torch; the
strategies also need Hypothesis.
"""

from npformer.verify.agreement import agreement, autograd_gradients, finite_differences
from npformer.verify.case import Case, Component, cases
from npformer.verify.check import CheckResult, Failure, check, check_case
from npformer.verify.error import error_units
from npformer.verify.given import check_arrays
from npformer.verify.mutants import KillRate, Mutant, kill_rate
from npformer.verify.nodes import NodeError, node_errors
from npformer.verify.registry import COMPONENTS, component
from npformer.verify.report import Report, run
from npformer.verify.strategies import arrays_like, seeds

__all__ = [
    "COMPONENTS",
    "Case",
    "CheckResult",
    "Component",
    "Failure",
    "KillRate",
    "Mutant",
    "NodeError",
    "Report",
    "agreement",
    "arrays_like",
    "autograd_gradients",
    "cases",
    "check",
    "check_arrays",
    "check_case",
    "component",
    "error_units",
    "finite_differences",
    "kill_rate",
    "node_errors",
    "run",
    "seeds",
]

"""The gradient-equivalence engine: it proves a hand-written backward right, or shows where not.

    from npformer.verify import run
    report = run(["layer_norm", "attention"], cases=200)

``check`` takes a gradient of your own, ``bisect`` two versions of a whole model, ``run`` what the
package itself has to prove. How it works, in the order in which a case goes through it:

    components   every card as what can be checked: a case drawn, run on either side
    subjects     what a caller hands in, as a component
    reference    what is right: autograd, wider arithmetic, the derivative of the forward
    units        how far off that is, in multiples of the rounding that cannot be avoided
    judge        the verdict on one case; ``tally`` adds up many
    answer       the smallest input, code that shows the fault, the message, the page
    mutants      the cards' wrong versions: the proof that the checker can fail
    diagnosis    which mutant gives just that wrong result
    lockstep     two models side by side, call by call
    models       the invariants of a whole model, anybody's: ``check_model``

Twins need torch, which is imported when one is asked; drawing by Hypothesis and shrinking that.
"""

from npformer.cards.case import Case
from npformer.cards.mutant import Mutant
from npformer.cards.strategies import arrays_like, seeds
from npformer.verify.agreement import agreement, autograd_gradients, finite_differences
from npformer.verify.bisect import bisect
from npformer.verify.check import CheckResult, check
from npformer.verify.component import Component, cases
from npformer.verify.components.registry import COMPONENTS, component
from npformer.verify.given import check_arrays
from npformer.verify.judge import check_case
from npformer.verify.lockstep.bisection import Bisection
from npformer.verify.lockstep.nodes import NodeError, node_errors
from npformer.verify.models.check_model import check_model
from npformer.verify.models.result import ModelResult
from npformer.verify.mutants import MutationScore, mutation_score
from npformer.verify.report import Report, run
from npformer.verify.subjects.subjects import WithVJP
from npformer.verify.tally import Tally, check_component
from npformer.verify.units.error import error_units
from npformer.verify.verdict import Failure

__all__ = [
    "COMPONENTS",
    "Bisection",
    "Case",
    "CheckResult",
    "Component",
    "Failure",
    "ModelResult",
    "Mutant",
    "MutationScore",
    "NodeError",
    "Report",
    "Tally",
    "WithVJP",
    "agreement",
    "arrays_like",
    "autograd_gradients",
    "bisect",
    "cases",
    "check",
    "check_arrays",
    "check_case",
    "check_component",
    "check_model",
    "component",
    "error_units",
    "finite_differences",
    "mutation_score",
    "node_errors",
    "run",
    "seeds",
]

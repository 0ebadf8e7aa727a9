"""Why a gradient is wrong: the mistake that explains a wrong result, in a sentence.

    from npformer.verify.diagnosis import diagnose, diagnose_implementation

The catalogue's mutants (``npformer.verify.mutants``) are applied to the failing case, alone and in
pairs, and so are the mistakes that any gradient can have (``generic``): a sign, a factor, a
transposition, a sum over the wrong axes. What gives the same wrong result is the diagnosis. On one
case several mistakes may look alike; ``diagnose_implementation`` draws more until one is left.
``rate.diagnosis_rate`` measures how often the first answer is the right one.
"""

from npformer.verify.diagnosis.diagnose import diagnose, diagnose_implementation
from npformer.verify.diagnosis.diagnosis import Diagnosis
from npformer.verify.diagnosis.of_check import describe_check, diagnose_check

__all__ = [
    "Diagnosis",
    "describe_check",
    "diagnose",
    "diagnose_check",
    "diagnose_implementation",
]

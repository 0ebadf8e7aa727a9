"""Two implementations of one model, call by call: what ``npformer.verify.bisect`` is made of.

``visits`` is what a run leaves behind. ``numpy_taps`` and ``torch_taps`` stand between the calls of
a model, and do one of two things there: ``numpy_watch`` and ``torch_watch`` note what the suspect
computes, ``numpy_force`` and ``torch_force`` run the reference on the suspect's own numbers;
``numpy_side`` and ``torch_side`` are the two engines as ``bisect`` sees them. ``judge`` compares
(``compare``) and gathers (``finding``), ``steps`` and ``op_steps`` name what is wrong inside a
method or an op, ``growth`` and ``bisection`` show it. ``plant`` puts a known mistake into one
object, and ``nodes`` measures every call of a whole pass.
"""

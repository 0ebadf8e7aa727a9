"""Two implementations of one model, call by call: what ``npformer.verify.bisect`` is made of.

``visits`` is what a run leaves behind. Calls come by ``numpy_observer`` and ``twin_observer``, and
one of two things is done with them: ``numpy_watch`` and ``twin_watch`` note what the suspect
computes, ``numpy_force`` and ``twin_force`` run the reference on the suspect's own numbers;
``numpy_side`` and ``twin_side`` are the two engines as ``bisect`` sees them. ``verdicts`` compares
(``compare``) and gathers (``mismatch``), ``steps`` names what is wrong inside a method or an op,
``growth`` and ``bisection`` show it. ``plant`` puts a known mistake into one object, and ``nodes``
measures every call of a whole pass.
"""

"""Invariants that any Transformer must have, asked of a whole model: ``check_model``.

subject      a NumPy or torch module as what can be run, differentiated and watched
inputs       what goes in: token ids or vectors, of any batch and length
options      the same model with each boolean or choice of its configuration set otherwise
question     one subject, its sizes, and what equal means in its dtype
invariants   one file each: a name, a sentence, and how it is asked
compare      two runs that must agree somewhere; the smallest two that do not
calls        every module's call while a model works, and the first that explains a difference
result       what was asked, what was not and why, what is broken
"""

#!/usr/bin/env bash
# One NaN in the output, and jax.test_util.check_grads accepts a gradient that is 17 times too large.
#
# Versions    jax 0.10.2, numpy 2.4.6, Python 3.11, CPU
# Behaviour   check_grads compares one number, <dy, J v> by differences with <J^T dy, v> from the VJP, and takes
#             NaN for equal to NaN. Where one entry of the output is NaN, so is the first; any gradient
#             with a NaN in it makes the second NaN as well, and all other entries go unchecked. So a mask
#             that leaves a row of softmax without an entry, say, ends the check, with no error and no word.
#             Here log has a VJP that is 17 / x, and NaN where x is negative, as log itself is.
# Seen        jax 0.10.2
#             x = [1, 2, 3]:  rejected
#             x = [1, 2, -3]: accepted
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet jax==0.10.2 numpy==2.4.6
JAX_PLATFORMS=cpu "$work/venv/bin/python" - <<'PY'
import jax
import jax.numpy as jnp
from jax.test_util import check_grads

jax.config.update("jax_enable_x64", True)


@jax.custom_vjp
def log(x):
    return jnp.log(x)


log.defvjp(lambda x: (jnp.log(x), x), lambda x, dy: (jnp.where(x > 0, 17 * dy / x, jnp.nan),))


def verdict(*x):
    try:
        check_grads(log, (jnp.array(x),), order=1, modes=["rev"])
    except AssertionError:
        return "rejected"
    return "accepted"


finite, with_nan = verdict(1.0, 2.0, 3.0), verdict(1.0, 2.0, -3.0)
print("jax", jax.__version__)
print("x = [1, 2, 3]: ", finite)
print("x = [1, 2, -3]:", with_nan)
if (finite, with_nan) != ("rejected", "accepted"):
    raise SystemExit("no longer as stated")
print("as stated: one NaN in the output, and a gradient 17 times too large is accepted")
PY

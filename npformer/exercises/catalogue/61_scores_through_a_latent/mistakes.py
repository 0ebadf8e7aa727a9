"""Wrong ways to write this exercise, for the diagnosis."""

import numpy as np


def _forward(q, latent, shared, k_up):
    a = np.einsum("btnh,nhl->btnl", q[..., :4], k_up)
    z = np.einsum("btnl,bsl->bnts", a, latent) + np.einsum("btnr,bsr->bnts", q[..., 4:], shared)
    return z, (q, latent, shared, k_up, a)


def _right(dz, cache):
    q, latent, shared, k_up, a = cache
    da = np.einsum("bnts,bsl->btnl", dz, latent)
    parts = np.einsum("btnl,nhl->btnh", da, k_up), np.einsum("bnts,bsr->btnr", dz, shared)
    return {
        "dq": np.concatenate(parts, axis=-1),
        "dlatent": np.einsum("bnts,btnl->bsl", dz, a),
        "dshared": np.einsum("bnts,btnr->bsr", dz, q[..., 4:]),
        "dk_up": np.einsum("btnh,btnl->nhl", q[..., :4], da),
    }


def _wrong(**changes):
    """The pair in which these gradients are what change(dz, cache, right) makes."""

    def backward(dz, cache):
        right = _right(dz, cache)
        found = {name: change(dz, cache, right) for name, change in changes.items()}
        return tuple((right | found).values())

    return {"scores_forward": _forward, "scores_backward": backward}


def _mean(name):
    return lambda dz, cache, right: right[name] / max(dz.shape[1], 1)


def _first_head(dz, cache, right):
    return np.einsum("bts,btr->bsr", dz[:, 0], cache[0][:, :, 0, 4:])


def _of_first_head(dz, cache, right):
    return np.einsum("bts,btl->bsl", dz[:, 0], cache[4][:, :, 0])


def _queries_for_keys(dz, cache, right):
    return np.einsum("bnts,bsnr->btr", dz, cache[0][..., 4:])


def _own_alone(dz, cache, right):
    return np.concatenate([right["dq"][..., :4], np.zeros_like(right["dq"][..., 4:])], axis=-1)


def _shared_alone(dz, cache, right):
    return np.concatenate([np.zeros_like(right["dq"][..., :4]), right["dq"][..., 4:]], axis=-1)


MISTAKES = [
    ("the shared key gets the gradient of the first head; all heads read it",
     _wrong(dshared=_first_head)),
    ("the shared key's gradient is averaged over the heads; it is a sum",
     _wrong(dshared=_mean("dshared"))),
    ("the shared key is taken for a constant",
     _wrong(dshared=lambda dz, cache, right: np.zeros_like(right["dshared"]))),
    ("the shared key's gradient is summed over the keys and left to the queries",
     _wrong(dshared=_queries_for_keys)),
    ("the latent gets the gradient of the first head; all heads read it",
     _wrong(dlatent=_of_first_head)),
    ("the latent's gradient is averaged over the heads; it is a sum",
     _wrong(dlatent=_mean("dlatent"))),
    ("the query's last columns get no gradient", _wrong(dq=_own_alone)),
    ("the query's first columns get no gradient", _wrong(dq=_shared_alone)),
    ("the heads' matrices are taken for constants",
     _wrong(dk_up=lambda dz, cache, right: np.zeros_like(right["dk_up"]))),
    ("each head's matrix gets the sum over the heads",
     _wrong(dk_up=lambda dz, cache, right: 0 * right["dk_up"] + right["dk_up"].sum(0))),
]  # fmt: skip

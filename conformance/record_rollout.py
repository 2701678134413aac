"""Records conformance/vectors/rollout.json: rollout by numpy, flow by networkx, ranks by numpy.linalg.svd.

    python conformance/record_rollout.py      (needs numpy and networkx; writes beside this file, into vectors/)

Maps are random softmaxes rounded to f32, [layer][head][query][key], so that every reader begins with the same numbers.
"""

import json
import pathlib

import networkx
import numpy as np

VECTORS = pathlib.Path(__file__).parent / "vectors"


def maps(seed, layers, heads, n, causal):
    scores = 1.5 * np.random.default_rng(seed).standard_normal((layers, heads, n, n))
    if causal:
        scores = np.where(np.tril(np.ones((n, n), bool)), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def normalised(a):
    return a / a.sum(-1, keepdims=True)


def rollout(stack, residual=0.5, fuse=np.mean, discard=0.0, start=0, columns=False):
    """R_l = A_hat_l R_(l-1). `columns`: divides cell (i, j) by the sum of row j, as vit-explain's broadcasting does."""
    n = stack.shape[-1]
    result = np.eye(n)
    for layer in stack[start:].astype(np.float64):
        fused = fuse(layer, axis=0)
        count = int(n * n * discard)
        flat = fused.reshape(-1)
        lowest = np.argsort(flat, kind="stable")[:count]
        flat[lowest[lowest != 0]] = 0.0
        mixed = residual * np.eye(n) + (1 - residual) * fused
        hat = mixed / mixed.sum(-1)[None, :] if columns else normalised(mixed)
        result = hat @ result
    return result


def flow(stack, query):
    """networkx.maximum_flow_value from (top, query) to each (bottom, key)."""
    n = stack.shape[-1]
    graph = networkx.DiGraph()
    for layer, heads in enumerate(stack.astype(np.float64)):
        hat = normalised(0.5 * np.eye(n) + 0.5 * heads.mean(0))
        for i in range(n):
            for j in range(n):
                if hat[i, j] > 0:
                    graph.add_edge((layer + 1, i), (layer, j), capacity=float(hat[i, j]))
    top = (len(stack), query)
    return [networkx.maximum_flow_value(graph, top, (0, j)) if (0, j) in graph else 0.0 for j in range(n)]


def ranks(a):
    s = np.linalg.svd(a.astype(np.float64), compute_uv=False)
    p = s / s.sum()
    p = p[p > 0]
    return [float(np.exp(-(p * np.log(p)).sum())), float((s ** 2).sum() / s.max() ** 2)]


cases = []
for name, seed, layers, heads, n, causal in [("full", 1, 3, 2, 7, False), ("causal", 2, 4, 3, 11, True)]:
    a = maps(seed, layers, heads, n, causal)
    cases.append({
        "name": name, "layers": layers, "heads": heads, "tokens": n, "causal": causal,
        "maps": a.reshape(-1).tolist(),
        "rollout": rollout(a).reshape(-1).tolist(),
        "rollout_max_residual_0.3": rollout(a, 0.3, np.max).reshape(-1).tolist(),
        "rollout_min_start_1": rollout(a, 0.5, np.min, start=1).reshape(-1).tolist(),
        "rollout_discard_0.9": rollout(a, discard=0.9).reshape(-1).tolist(),
        "vit_explain_discard_0": rollout(a, columns=True).reshape(-1).tolist(),
        "vit_explain_discard_0.9": rollout(a, discard=0.9, columns=True).reshape(-1).tolist(),
        "flow_query": n - 2,
        "flow": flow(a, n - 2),
        "ranks_L0H0": ranks(a[0, 0]),
    })
uniform = np.tril(np.ones((24, 24))) / np.arange(1, 25)[:, None]
VECTORS.joinpath("rollout.json").write_text(json.dumps({
    "source": f"numpy {np.__version__} after Abnar and Zuidema 2020 and the formulas of vit-explain; "
              f"networkx {networkx.__version__} maximum_flow_value",
    "tolerance": 1e-6,
    "uniform_causal_24_ranks": ranks(uniform),
    "cases": cases,
}, indent=1) + "\n")

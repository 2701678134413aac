"""The page against its rivals on the same attention, and at a length that they do not reach.

    python bench/report.py --minilm FOLDER [--attractor PROGRAM] [--json FILE] [--skip-long]

Needs the packages of bench/requirements-report.txt. Builds the program itself (release) unless one is given.

1. 12 layers of 12 heads, 128 and 256 tokens, random causal attention: BertViz, CircuitsVis, Attractor. A rival's page
   must hold the last token; ours, of every head, the links that NumPy finds to stand out most, to the last bit.
2. The real MiniLM on 256 tokens, from a run: judged and drawn. Its links are held against the exported weights.
3. A random Llama of 4 layers and 8 heads, width 512, on 16384 tokens: captured, judged and drawn in one command. The
   links of its first layer are held against NumPy's own rotated queries and keys.
"""

import argparse
import json
import mmap
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
LAYERS, HEADS = 12, 12
RIVALS = ["bertviz head_view", "bertviz model_view", "circuitsvis attention_heads"]


def measured(command, **options):
    """Runs a command to its end: seconds, peak memory in MiB of it and its children, what it printed."""
    start = time.perf_counter()
    # Files, not pipes: a full pipe of the one would wait for ever while the other is read.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, **options)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        out.seek(0)
        err.seek(0)
        if status != 0:
            sys.exit(f"bench: {command}: status {status}\n{err.read().decode()[:2000]}")
        return seconds, usage.ru_maxrss / 1024, out.read()


def rival(name, maps, page):
    """One rival in this process: reads maps, writes its page. Run by `measured` in a process of its own."""
    import torch

    attention = torch.from_numpy(np.load(maps)["attention"])
    tokens = [f"token{i}" for i in range(attention.shape[-1])]
    if name.startswith("bertviz"):
        import bertviz

        view = {"bertviz head_view": bertviz.head_view, "bertviz model_view": bertviz.model_view}[name]
        html = view(tuple(layer[None] for layer in attention), tokens, html_action="return").data
    else:
        from circuitsvis.attention import attention_heads

        html = str(attention_heads(attention.reshape(-1, *attention.shape[-2:]), tokens))
    Path(page).write_text(html)


def holds(page, text):
    """Is the text in the page? Without reading it whole: a process starts with its parent's peak memory as its own."""
    with open(page, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as bytes:
        return bytes.find(text.encode()) >= 0


def apart(function, *arguments):
    """Runs a function in a process of its own, so that its memory is not counted as that of what is measured later."""
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    process.join()
    if process.exitcode != 0:
        sys.exit(f"bench: {function.__name__} failed")


def links(page):
    """The links of every head that the page shows: {(layer, head): [(query, key, weight), ...]}."""
    opening = '<script type="application/json" id="maps">'
    text = Path(page).read_text()
    start = text.index(opening) + len(opening)
    maps = json.loads(text[start:text.index("</script>", start)])["maps"]
    return {(m["layer"], m["head"]): m["links"] for m in maps}


def check_links(page, weights, causal):
    """Every head's links are those furthest above a uniform row, with their exact weights."""
    shown = links(page)
    assert len(shown) == sum(len(layer) for layer in weights), f"{page}: {len(shown)} heads"
    for (layer, head), found in shown.items():
        attention = weights[layer][head]
        n = len(attention)
        uniform = 1.0 / np.arange(1, n + 1)[:, None] if causal else 1.0 / n
        excess = attention - np.float32(uniform)
        order = np.sort(excess.ravel())[::-1]
        assert len(found) > 0
        for rank, (query, key, weight) in enumerate(found):
            assert np.float32(weight) == attention[query, key], (layer, head, query, key, weight)
            assert excess[query, key] == order[rank], (layer, head, rank)


def random_attention(folder, n):
    """Random causal attention, in the forms that the rivals and Attractor read."""
    random = np.random.default_rng(n)
    scores = random.normal(size=(LAYERS, HEADS, n, n)).astype(np.float32)
    scores[:, :, np.triu_indices(n, 1)[0], np.triu_indices(n, 1)[1]] = -np.inf
    scores -= scores.max(-1, keepdims=True)
    attention = np.exp(scores)
    attention /= attention.sum(-1, keepdims=True)
    np.savez(folder / "rivals.npz", attention=attention)
    np.savez(folder / "ours.npz", **{f"L{i}": layer for i, layer in enumerate(attention)})


def same_attention(program, folder, n, results):
    apart(random_attention, folder, n)
    row = {}
    for name in RIVALS:
        page = folder / "rival.html"
        command = [sys.executable, __file__, "--rival", name, str(folder / "rivals.npz"), str(page)]
        seconds, memory, _ = measured(command)
        assert holds(page, f"token{n - 1}"), f"{name}: the page lacks the last token"
        row[name] = {"seconds": seconds, "MiB": memory, "MB": page.stat().st_size / 1e6}
    run, page = folder / f"run{n}", folder / "ours.html"
    first, converting, _ = measured([program, "convert", folder / "ours.npz", run, "--quiet"])
    second, memory, _ = measured([program, "report", run, "-o", page, "--quiet"])
    assert holds(page, 'id="report"') and holds(page, "L11H11")
    apart(lambda: check_links(page, np.load(folder / "rivals.npz")["attention"], causal=True))
    row["attractor"] = {"seconds": first + second, "MiB": max(memory, converting), "MB": page.stat().st_size / 1e6}
    results[f"144 heads, {n} tokens"] = row


def text():
    """Plain text, longer than 256 tokens."""
    return (ROOT / "examples/data/northanger-abbey.txt").read_text()[2000:6000]


def check_minilm(page, exported):
    file = np.load(exported)
    check_links(page, [file[f"L{layer}"] for layer in range(6)], causal=False)


def minilm(program, model, folder, results):
    source = folder / "text.txt"
    source.write_text(text())
    run, page = folder / "minilm", folder / "minilm.html"
    inputs = ["--text-file", source, "--seq-len", "256", "--max-inputs", "1"]
    captured, _, _ = measured([program, "capture", model, *inputs, "-o", run, "--quiet"])
    drawn, memory, _ = measured([program, "report", run, "-o", page, "--quiet"])
    whole, _, _ = measured([program, "report", model, *inputs, "-o", folder / "whole.html", "--quiet"])
    size = page.stat().st_size / 1e6
    exported = folder / "weights.npz"
    measured([program, "export", run, "-o", exported, "--quiet"])
    apart(check_minilm, page, exported)
    results["MiniLM, 256 tokens"] = {
        "capture, s": captured,
        "judge and page from the run, s": drawn,
        "all from the checkpoint, with ablations and gradients, s": whole,
        "peak of the page, MiB": memory,
        "page, MB": size,
    }


def random_llama(folder):
    """Four layers of eight heads, width 512, vocabulary 256, all weights random."""
    from safetensors.numpy import save_file

    width, inner, vocab = 512, 1376, 256
    random = np.random.default_rng(7)

    def matrix(rows, columns):
        return (random.normal(size=(rows, columns)) * columns**-0.5).astype(np.float32)

    tensors = {"model.embed_tokens.weight": random.normal(size=(vocab, width)).astype(np.float32)}
    for layer in range(4):
        at = f"model.layers.{layer}."
        for name in "qkvo":
            # Scores spread as in a trained model, not uniform.
            tensors[at + f"self_attn.{name}_proj.weight"] = matrix(width, width) * (2.0 if name in "qk" else 1.0)
        tensors[at + "mlp.gate_proj.weight"] = matrix(inner, width)
        tensors[at + "mlp.up_proj.weight"] = matrix(inner, width)
        tensors[at + "mlp.down_proj.weight"] = matrix(width, inner)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[at + norm + ".weight"] = np.ones(width, np.float32)
    tensors["model.norm.weight"] = np.ones(width, np.float32)
    tensors["lm_head.weight"] = matrix(vocab, width)
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": width, "intermediate_size": inner,
        "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 8, "vocab_size": vocab,
        "max_position_embeddings": 16384, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
        "tie_word_embeddings": False, "torch_dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config))


def check_llama(page, model, ids):
    """Rows of the first layer's maps, from the weights by NumPy in f64, beside the weights that the page shows."""
    from safetensors.numpy import load_file

    tensors = load_file(model / "model.safetensors")
    embedded = tensors["model.embed_tokens.weight"].astype(np.float64)
    normed = embedded / np.sqrt((embedded**2).mean(-1, keepdims=True) + 1e-5)
    half = 32
    # Angles are f32 by definition of the model: at position 16384 their rounding is a thousandth.
    frequencies = 1 / np.float32(10000) ** (np.arange(half, dtype=np.float32) / half)
    angles = (np.arange(len(ids), dtype=np.float32)[:, None] * frequencies[None]).astype(np.float64)
    cos, sin = np.cos(angles), np.sin(angles)

    def rotated(name, head):
        x = (normed @ tensors[f"model.layers.0.self_attn.{name}_proj.weight"].T)[ids][:, 64 * head:64 * (head + 1)]
        a, b = x[:, :half], x[:, half:]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=1)

    worst = 0.0
    for (layer, head), found in links(page).items():
        if layer != 0:
            continue
        queries, keys = rotated("q", head), rotated("k", head)
        assert len(found) > 0
        for query, key, weight in found:
            scores = keys[: query + 1] @ queries[query] / 8.0
            row = np.exp(scores - scores.max())
            worst = max(worst, abs(row[key] / row.sum() - weight))
    assert worst < 2e-5, f"a link of the first layer differs by {worst} from NumPy's"


def long(program, folder, results):
    model = folder / "llama"
    random_llama(model)
    ids = np.random.default_rng(1).integers(0, 256, 16384)
    (folder / "ids.json").write_text(json.dumps([ids.tolist()]))
    page = folder / "long.html"
    command = [program, "report", model, "--input", folder / "ids.json", "-o", page, "--quiet", "--json"]
    seconds, memory, out = measured(command)
    report = json.loads(out)
    assert report["provenance"]["lengths"] == [16384] and len(report["heads"]) == 32
    assert all(head["sharpness"] is not None for head in report["heads"])
    apart(check_llama, page, model, ids)
    results["random Llama, 32 heads, 16384 tokens"] = {
        "capture, judge and page, s": seconds, "peak, MiB": memory, "page, MB": page.stat().st_size / 1e6,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minilm", type=Path, help="the all-MiniLM-L6-v2 folder (cargo xtask fetch)")
    parser.add_argument("--attractor", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--lengths", type=int, nargs="*", default=[128, 256])
    parser.add_argument("--skip-long", action="store_true")
    parser.add_argument("--rival", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.rival:
        return rival(*args.rival)
    program = args.attractor
    if program is None:
        build = ["cargo", "build", "--release", "--message-format", "json", "-p", "attractor-cli"]
        lines = subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        program = next(m["executable"] for m in map(json.loads, lines) if m.get("executable"))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    results = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count(), "commit": commit}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n in args.lengths:
            same_attention(program, folder, n, results)
        if args.minilm:
            minilm(program, args.minilm, folder, results)
        if not args.skip_long:
            long(program, folder, results)
    print(json.dumps(results, indent=2))
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

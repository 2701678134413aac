"""Holds the table of configuration keys (crates/attractor-nn/src/checkpoint/config/keys.toml) against transformers.

For each family: every key of transformers' own configuration class stands in a list of the family, and changing a key
that is listed as harmless moves neither a logit nor an attention map of a small random model by more than rounding. Ends with 1 otherwise.

    python conformance/keys.py [FAMILY...]      (needs Python 3.11, torch and transformers)
"""

import copy
import pathlib
import sys
import tomllib

import torch
import transformers
from transformers import GenerationConfig

transformers.logging.set_verbosity_error()
TABLE = tomllib.loads((pathlib.Path(__file__).parent.parent / "crates/attractor-nn/src/checkpoint/config/keys.toml").read_text())
encoder = dict(vocab_size=61, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20,
               max_position_embeddings=40)
decoder = encoder | dict(num_attention_heads=4, num_key_value_heads=2, head_dim=6)
picture = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20, image_size=12, patch_size=4)
# family: (lists that join, configuration class, model class, configuration)
FAMILIES = {
    "bert": (["bert"], "BertConfig", "BertForMaskedLM", encoder),
    "roberta": (["bert"], "RobertaConfig", "RobertaForMaskedLM", encoder),
    "gpt2": (["gpt2"], "GPT2Config", "GPT2LMHeadModel",
             dict(vocab_size=61, n_embd=24, n_head=3, n_layer=2, n_positions=40, n_inner=20)),
    "llama": (["rotary", "llama"], "LlamaConfig", "LlamaForCausalLM", decoder),
    "mistral": (["rotary", "mistral"], "MistralConfig", "MistralForCausalLM", decoder | dict(sliding_window=5)),
    "qwen2": (["rotary", "qwen2"], "Qwen2Config", "Qwen2ForCausalLM",
              {k: v for k, v in decoder.items() if k != "head_dim"}),
    "qwen3": (["rotary", "qwen3"], "Qwen3Config", "Qwen3ForCausalLM", decoder),
    "gemma2": (["rotary", "gemma2"], "Gemma2Config", "Gemma2ForCausalLM", decoder | dict(sliding_window=5)),
    "gemma3": (["rotary", "gemma3"], "Gemma3TextConfig", "Gemma3ForCausalLM", decoder | dict(sliding_window=5)),
    "vit": (["vit"], "ViTConfig", "ViTForImageClassification", picture),
    "deit": (["vit"], "DeiTConfig", "DeiTForImageClassificationWithTeacher", picture),
}
# Values of some keys that a changed number or text could not be.
VALUES = {
    "dtype": ["float32"], "torch_dtype": ["float32"], "problem_type": ["regression"], "hidden_act": ["relu"],
    "id2label": [{"0": "x", "1": "y"}], "label2id": [{"x": 0, "y": 1}], "num_labels": [2],
    "attn_implementation": ["eager"], "_attn_implementation": ["eager"], "_attn_implementation_internal": ["eager"],
    "experts_implementation": ["eager"], "return_dict": [True], "use_return_dict": [True], "output_attentions": [True],
    "vision_config": [], "torchscript": [False], "pooler_act": ["relu"], "summary_activation": ["tanh"],
    "chunk_size_feed_forward": [1], "eos_token_id": [3, [3, 4]], "is_decoder": [],
}


def lists(names):
    joined = {"read": set(), "harmless": set(), "only": {}, "refused": {}}
    for name in [*names, "all"]:
        entry = TABLE[name]
        joined["read"] |= set(entry.get("read", []))
        joined["harmless"] |= set(entry.get("harmless", []))
        joined["only"] |= entry.get("only", {})
        joined["refused"] |= entry.get("refused", {})
    return joined


def model(kind, cls, settings):
    torch.manual_seed(7)
    config = kind.from_dict(copy.deepcopy(settings) | {"attn_implementation": "eager"})
    built = cls._from_config(config, attn_implementation="eager").eval()
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return built


def answer(built, image):
    generator = torch.Generator().manual_seed(3)
    if image:
        inputs = {"pixel_values": torch.randn(1, 3, 12, 12, generator=generator)}
    else:
        inputs = {"input_ids": torch.randint(5, 61, (1, 17), generator=generator)}
    with torch.no_grad():
        out = built(**inputs, output_attentions=True, return_dict=True)
    return [out.logits, *out.attentions]


def changed(key, kind):
    if key in VALUES:
        return VALUES[key]
    default = getattr(kind(), key, None)
    if isinstance(default, bool):
        return [not default]
    if isinstance(default, int):
        return [default + 1]
    if isinstance(default, float):
        return [default / 2 + 0.25]
    return [1, "other", True]


faults = []
for family in sys.argv[1:] or FAMILIES:
    names, kind, cls, settings = FAMILIES[family]
    kind, cls = getattr(transformers, kind), getattr(transformers, cls)
    known = lists(names)
    every = known["read"] | known["harmless"] | set(known["only"]) | set(known["refused"])
    own = set(kind().to_dict()) | set(GenerationConfig().to_dict() if family == "gpt2" else {})
    for key in sorted(own - every):
        if not key.startswith("_") and key not in ("generation_kwargs",):
            faults.append(f"{family}: {key} is a key of transformers {transformers.__version__} and in no list")
    image = "image_size" in settings
    before = answer(model(kind, cls, settings), image)
    tried = 0
    for key in sorted(known["harmless"]):
        for value in changed(key, kind):
            try:
                after = answer(model(kind, cls, settings | {key: value}), image)
            except Exception as error:  # transformers refuses the value: it says nothing of what is computed
                print(f"{family}: {key} = {value!r}: {str(error).splitlines()[0][:90]}")
                continue
            tried += 1
            if not all(a.shape == b.shape and torch.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in zip(before, after)):
                faults.append(f"{family}: {key} = {value!r} moves what is computed")
    print(f"{family}: {tried} changes of {len(known['harmless'])} harmless keys move nothing")
print("\n".join(faults))
sys.exit(1 if faults else 0)

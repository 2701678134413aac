"""Records the small golden vectors of conformance/vectors that come from Hugging Face transformers.

Each folder is a checkpoint with random weights (config.json, model.safetensors) and golden.safetensors: the inputs
(input.*), every hidden state (hidden.0 is the embedding output), every attention map (attn.L, [batch, head, query,
key]) and the logits. Weights are drawn wide enough that maps are far from uniform and every bias and norm matters.

    python conformance/record.py [NAME...]      (needs torch and transformers; writes beside this file, into vectors/)
"""

import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file
from transformers import (
    BertConfig, BertForMaskedLM, BertForSequenceClassification, DeiTConfig, DeiTForImageClassificationWithTeacher,
    Gemma2Config, Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig, GPT2Config, GPT2LMHeadModel, LlamaConfig,
    LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM,
    RobertaConfig, RobertaForMaskedLM, RobertaForSequenceClassification,
)

VECTORS = pathlib.Path(__file__).parent / "vectors"
TOLERANCE = 1e-4

llama = dict(vocab_size=89, hidden_size=48, intermediate_size=56, num_hidden_layers=3, num_attention_heads=6,
             num_key_value_heads=3, head_dim=8, max_position_embeddings=64)
wide = llama | {"head_dim": 10}
small = llama | dict(hidden_size=24, intermediate_size=28, num_hidden_layers=2, num_attention_heads=6)
bert = dict(vocab_size=83, hidden_size=36, num_hidden_layers=2, num_attention_heads=3, intermediate_size=52,
            max_position_embeddings=40)


def rope(**more):
    return {"rope_parameters": {"rope_theta": 10000.0, **more}}


# name: (model class, configuration, batch, length, options)
CASES = {
    "gpt2_scaled_tiny": (GPT2LMHeadModel, GPT2Config(
        vocab_size=83, n_embd=36, n_head=3, n_layer=3, n_positions=40, n_inner=52, activation_function="relu",
        scale_attn_by_inverse_layer_idx=True, bos_token_id=0, eos_token_id=0), 2, 19, {}),
    # The configuration ties the head to the token table, the file holds a head of its own.
    "gpt2_untied_tiny": (GPT2LMHeadModel, GPT2Config(
        vocab_size=83, n_embd=24, n_head=3, n_layer=2, n_positions=40, bos_token_id=0, eos_token_id=0,
        tie_word_embeddings=False), 1, 19, {"tied": True}),
    # Embedding models: a decoder without direction, with a window too.
    "llama_bidirectional_tiny": (LlamaForCausalLM, LlamaConfig(**small, is_causal=False), 1, 23, {}),
    "mistral_bidirectional_tiny": (MistralForCausalLM, MistralConfig(
        **small, sliding_window=5, is_causal=False), 1, 23, {}),
    "bert_types_tiny": (BertForMaskedLM, BertConfig(**bert), 2, 21, {"padding": 4, "types": 9}),
    "bert_mlm_tiny": (BertForMaskedLM, BertConfig(**bert), 2, 21, {"padding": 4}),
    "bert_classifier_tiny": (BertForSequenceClassification, BertConfig(**bert, num_labels=5), 2, 17, {}),
    "roberta_tiny": (RobertaForMaskedLM, RobertaConfig(
        **bert, pad_token_id=1, bos_token_id=0, eos_token_id=2, type_vocab_size=1), 2, 21, {"padding": 4, "pad": 1}),
    "roberta_classifier_tiny": (RobertaForSequenceClassification, RobertaConfig(
        **bert, pad_token_id=1, bos_token_id=0, eos_token_id=2, type_vocab_size=1, num_labels=3), 2, 17, {"pad": 1}),
    "llama_bias_tiny": (LlamaForCausalLM, LlamaConfig(
        **llama, attention_bias=True, mlp_bias=True, tie_word_embeddings=True), 2, 23, {}),
    "llama_linear_tiny": (LlamaForCausalLM, LlamaConfig(**llama, **rope(rope_type="linear", factor=2.5)), 1, 23, {}),
    "llama_dynamic_tiny": (LlamaForCausalLM, LlamaConfig(
        **{**llama, "max_position_embeddings": 12}, **rope(rope_type="dynamic", factor=3.0)), 1, 29, {}),
    "llama3_tiny": (LlamaForCausalLM, LlamaConfig(**llama, **rope(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=32)), 1, 41, {}),
    "llama_yarn_tiny": (LlamaForCausalLM, LlamaConfig(**llama, **rope(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=16)), 1, 41, {}),
    "mistral_tiny": (MistralForCausalLM, MistralConfig(**wide, sliding_window=7), 2, 29, {}),
    "qwen2_tiny": (Qwen2ForCausalLM, Qwen2Config(
        **{k: v for k, v in llama.items() if k != "head_dim"}), 2, 23, {}),
    "qwen3_tiny": (Qwen3ForCausalLM, Qwen3Config(**wide, tie_word_embeddings=True), 2, 23, {}),
    "gemma2_tiny": (Gemma2ForCausalLM, Gemma2Config(
        **wide, sliding_window=6, query_pre_attn_scalar=20, attn_logit_softcapping=2.0,
        final_logit_softcapping=3.0), 2, 23, {}),
    "gemma3_tiny": (Gemma3ForCausalLM, Gemma3TextConfig(
        **wide, sliding_window=6, query_pre_attn_scalar=20,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters={"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
                         "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}), 2, 23, {}),
    "deit_tiny": (DeiTForImageClassificationWithTeacher, DeiTConfig(
        hidden_size=36, num_hidden_layers=2, num_attention_heads=3, intermediate_size=52, image_size=20, patch_size=5,
        num_channels=3, num_labels=7), 2, 0, {}),
}


def record(name):
    kind, config, batch, length, options = CASES[name]
    seed = 1 + sorted(CASES).index(name)
    torch.manual_seed(seed)
    config._attn_implementation = "eager"
    model = kind(config).eval()
    with torch.no_grad():
        for label, parameter in model.named_parameters():
            norm = "norm" in label.lower() or ".ln_" in label
            if norm and label.endswith("weight"):
                # Gemma stores the deviation from one.
                centre = 0.0 if "gemma" in name else 1.0
                parameter.copy_(centre + 0.2 * torch.randn_like(parameter))
            elif parameter.dim() < 2:
                parameter.copy_(0.2 * torch.randn_like(parameter))
            elif "embed" in label or "wte" in label or "wpe" in label or "token" in label:
                parameter.copy_(0.5 * torch.randn_like(parameter))
            else:
                fan_in = parameter.shape[0] if "gpt2" in name else parameter[0].numel()
                parameter.copy_(1.2 / fan_in**0.5 * torch.randn_like(parameter))
    folder = VECTORS / name
    if "tied" in options:
        # As a file says it that was edited or converted; what transformers makes of it is the reference.
        model.save_pretrained(folder)
        written = json.loads((folder / "config.json").read_text()) | {"tie_word_embeddings": options["tied"]}
        (folder / "config.json").write_text(json.dumps(written, indent=2) + "\n")
        model = kind.from_pretrained(folder, attn_implementation="eager").eval()
    golden = {}
    if length:
        pad = options.get("pad", 0)
        ids = torch.randint(pad + 3, config.vocab_size, (batch, length))
        inputs = {"input_ids": ids}
        if "padding" in options:
            mask = torch.ones_like(ids)
            mask[-1, -options["padding"]:] = 0
            ids[mask == 0] = pad
            inputs["attention_mask"] = mask
        if "types" in options:
            inputs["token_type_ids"] = (torch.arange(length) >= options["types"]).long().expand(batch, -1)
    else:
        inputs = {"pixel_values": torch.randn(batch, config.num_channels, config.image_size, config.image_size)}
    with torch.no_grad():
        out = model(**inputs, output_hidden_states=True, output_attentions=True)
    for label, tensor in inputs.items():
        golden[f"input.{label}"] = tensor.contiguous()
    for layer, state in enumerate(out.hidden_states):
        golden[f"hidden.{layer}"] = state.float().contiguous()
    for layer, weights in enumerate(out.attentions):
        golden[f"attn.{layer}"] = weights.float().contiguous()
    golden["logits"] = out.logits.float().contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    if "tied" not in options:
        model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    save_file(golden, str(folder / "golden.safetensors"))
    index = VECTORS / "index.json"
    entries = json.loads(index.read_text())
    entries[name] = {
        "source": f"transformers {transformers.__version__} {kind.__name__} (eager, torch {torch.__version__}), "
                  f"random weights, seed {seed}, conformance/record.py",
        "tolerance": TOLERANCE,
    }
    index.write_text(json.dumps(entries, indent=1) + "\n")
    print(name, {k: tuple(v.shape) for k, v in golden.items() if k.startswith(("input", "logits"))})


for case in sys.argv[1:] or CASES:
    record(case)

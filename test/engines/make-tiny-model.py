"""Writes a tiny model, without weights (the engine makes them up: --load-format dummy), with a tokenizer of its own.

Usage: make-tiny-model.py text|vectors|ranks|sound|weights FOLDER

`weights` is `text` with weights, for engines that cannot make them up.
"""

import json
import sys
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

kind = sys.argv[1]
folder = Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)


def write(config: dict, name: str = "config.json") -> None:
    (folder / name).write_text(json.dumps(config, indent=2))


def make_tokenizer() -> int:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        ["hello world"] * 50,
        trainers.BpeTrainer(
            vocab_size=320,
            special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    return len(fast)


def llama(positions: int) -> dict:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": make_tokenizer(),
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 64,
        "max_position_embeddings": positions,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }


def bert() -> dict:
    return {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "vocab_size": make_tokenizer(),
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
        # One label makes it a model that ranks.
        "id2label": {"0": "LABEL_0"},
        "torch_dtype": "float32",
        "pad_token_id": 0,
    }


def whisper() -> dict:
    from transformers import WhisperFeatureExtractor, WhisperProcessor, WhisperTokenizer
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = WhisperTokenizer(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[])
    names = ["endoftext", "startoftranscript", *LANGUAGES, "translate", "transcribe", "prev", "notimestamps"]
    tokenizer.add_tokens([f"<|{name}|>" for name in names], special_tokens=True)
    WhisperProcessor(WhisperFeatureExtractor(feature_size=80), tokenizer).save_pretrained(folder)
    end, start = tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|startoftranscript|>"])
    tokens = {"decoder_start_token_id": start, "bos_token_id": end, "eos_token_id": end, "pad_token_id": end}
    write(tokens, "generation_config.json")
    return {
        **tokens,
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "vocab_size": len(tokenizer),
        "num_mel_bins": 80,
        "d_model": 128,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 256,
        "decoder_ffn_dim": 256,
        "max_source_positions": 1500,
        "max_target_positions": 448,
        "is_encoder_decoder": True,
        "torch_dtype": "float32",
    }


if kind == "sound":
    write(whisper())
elif kind == "ranks":
    write(bert())
elif kind == "weights":
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    # Short: an engine that forgets a limit fills all of it.
    write({**llama(positions=512), "tie_word_embeddings": False})
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    # It says nothing but line ends: an engine that streams whole words streams every one of them, and the answer never
    # ends by itself.
    (line_end,) = AutoTokenizer.from_pretrained(folder).encode("\n")
    with torch.no_grad():
        model.get_input_embeddings().weight.add_(1)
        model.lm_head.weight.zero_()
        model.lm_head.weight[line_end] = 1
    model.to(torch.bfloat16).save_pretrained(folder)
else:
    write(llama(positions=65536))

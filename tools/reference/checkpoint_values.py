"""Values of generated checkpoints, with the same bits as those of tools/testkit/src/checkpoint (Rust).

A value depends only on the seed, the tensor's canonical name (open_clip's if it has the tower, see
tools/testkit/src/checkpoint/trunk.rs) and the element's index: SplitMix64, seeded with an FNV-1a hash of the name,
gives 53 random bits, and the kind of the tensor gives the range.

Not needed to build or test clippie-rs; the scripts in this folder that write tests/goldens/models use it. To compare
with a generated open_clip checkpoint:

    pip install numpy==2.4.6 safetensors==0.8.0
    cargo run --release --example generate-checkpoint -- --model vit-b-32-openai --layout open-clip OUT
    python tools/reference/checkpoint_values.py OUT/open_clip_model.safetensors
"""

import re
import sys

import numpy as np

GOLDEN_GAMMA = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
CHUNK = 1 << 20

# Ranges by kind, as in tools/testkit/src/checkpoint/tensor.rs: centre and half-width.
BIAS = (0.0, 0.25)
NORM_WEIGHT = (1.0, 0.4)
NORM_BIAS = (0.0, 0.3)
EMBEDDING = (0.0, 1.0)
POSITION = (0.0, 0.5)
LOGIT_SCALE = (4.0, 0.5)
LOGIT_BIAS = (-12.0, 3.0)
CONV_BIAS = (0.0, 0.05)
CONV_NORM_BIAS = (0.0, 0.06)
RUNNING_MEAN = (0.0, 0.1)
RUNNING_VARIANCE = (1.0, 0.5)
LAYER_SCALE = (0.3, 0.2)

# As in tools/testkit/src/checkpoint/vit.rs, trunk.rs and resnet.rs, which explain them.
RELU_GAIN = 1.4
RESIDUAL_GAIN = 0.5
ATTENTION_GAIN = 1.5
STEM_GAIN = 0.9
DOWNSAMPLE_GAIN = 0.85
POINTWISE_GAIN = 0.8
MIXER_GAIN = 0.3
POSITION_GAIN = 0.5
SECOND_LINEAR_GAIN = 0.5


def start(name: str, seed: int) -> int:
    """Return the initial counter of the stream `name` of `seed`."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) & MASK
    return state ^ ((seed * GOLDEN_GAMMA) & MASK)


def bits(name: str, seed: int, first: int, count: int) -> np.ndarray:
    """Return the random 64-bit numbers `first` to `first + count` of a stream."""
    with np.errstate(over="ignore"):
        index = np.arange(first + 1, first + count + 1, dtype=np.uint64)
        z = np.uint64(start(name, seed)) + index * np.uint64(GOLDEN_GAMMA)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name: str, seed: int, count: int, centre: float, half: float) -> np.ndarray:
    """Return the first `count` numbers of a stream, uniform around `centre`, float32."""
    out = np.empty(count, dtype=np.float32)
    for first in range(0, count, CHUNK):
        part = bits(name, seed, first, min(CHUNK, count - first))
        unit = (part >> np.uint64(11)).astype(np.float64) * 2.0**-53
        out[first : first + len(part)] = centre + half * (2.0 * unit - 1.0)
    return out


def kind(name: str, shape) -> tuple[tuple[float, float], bool]:
    """Return the range of a tensor's values, and whether they are exact in half precision."""

    def weight(fan_in: int, gain: float = 1.0) -> tuple[float, float]:
        return (0.0, gain * np.sqrt(3.0 / fan_in))

    if name == "logit_scale":
        return LOGIT_SCALE, False
    if name == "logit_bias":
        return LOGIT_BIAS, False
    if name == "text.text_projection.weight":
        return weight(shape[1]), False
    if name == "text.text_projection.bias":
        return BIAS, False
    if re.match(r"text\.(proj\.|transformer\.(embeddings|encoder|pooler|embed_tokens|layers|layer_norm)\.)", name):
        return multilingual_kind(name, shape), False
    if name.startswith("text."):
        if name == "text.text_projection":
            return weight(shape[0]), False
        return kind(name.removeprefix("text."), shape)[0], False
    if name.startswith("visual.trunk."):
        return trunk_kind(name.removeprefix("visual.trunk."), shape), False
    if name.startswith("text_encoder.transformer."):
        return hybrid_kind(name, shape), False
    if re.match(r"visual\.(conv[23]|bn\d|layer\d|attnpool)\.", name):
        return resnet_kind(name, shape)
    if name in ("visual.proj", "text_projection"):
        return weight(shape[0]), True
    if name.endswith("positional_embedding"):
        return POSITION, False
    if name.endswith("class_embedding") or name == "token_embedding.weight":
        return EMBEDDING, False
    if re.search(r"(^|\.)ln_(pre|post|final|1|2)\.weight$", name):
        return NORM_WEIGHT, False
    if re.search(r"(^|\.)ln_(pre|post|final|1|2)\.bias$", name):
        return NORM_BIAS, False
    if name.endswith(".in_proj_weight"):
        return weight(shape[1], ATTENTION_GAIN), True
    if re.search(r"(conv1\.|out_proj\.|c_fc\.|c_proj\.)weight$", name):
        return weight(int(np.prod(shape[1:]))), True
    if re.search(r"(in_proj_|out_proj\.|c_fc\.|c_proj\.)bias$", name):
        return BIAS, True
    raise ValueError(f"no kind of tensor is known for {name}")


def multilingual_kind(name: str, shape) -> tuple[float, float]:
    """Return the range of a tensor of XLM-RoBERTa's or NLLB's text tower."""
    if name.endswith(".word_embeddings.weight"):
        return EMBEDDING
    if name.endswith(("position_embeddings.weight", "token_type_embeddings.weight")):
        return POSITION
    if re.search(r"(LayerNorm|layer_norm)\.(weight|bias)$", name):
        return NORM_WEIGHT if name.endswith(".weight") else NORM_BIAS
    if name.endswith(".bias"):
        return BIAS
    return weight_range(shape, ATTENTION_GAIN if re.search(r"\.(query|key|value|[qkv]_proj)\.", name) else 1.0)


def weight_range(shape, gain: float) -> tuple[float, float]:
    """Return the range of a weight whose inputs are all dimensions except the first."""
    return (0.0, gain * np.sqrt(3.0 / int(np.prod(shape[1:]))))


def conv_parameter(name: str, is_norm: bool) -> tuple[float, float] | None:
    """Return the range of the other tensors of a convolutional tower."""
    if name.endswith(".running_mean"):
        return RUNNING_MEAN
    if name.endswith(".running_var"):
        return RUNNING_VARIANCE
    if name.endswith((".gamma", ".layer_scale")):
        return LAYER_SCALE
    if is_norm:
        return NORM_WEIGHT if name.endswith(".weight") else CONV_NORM_BIAS
    return CONV_BIAS if name.endswith(".bias") else None


def resnet_kind(name: str, shape) -> tuple[tuple[float, float], bool]:
    """Return the range of a tensor of CLIP's ResNets, but for its first convolution, and whether it is half."""
    if name.endswith("positional_embedding"):
        return POSITION, False
    if ".attnpool." in name:
        gain = ATTENTION_GAIN if re.search(r"\.[qk]_proj\.", name) else 1.0
        return (BIAS if name.endswith(".bias") else weight_range(shape, gain)), True
    is_norm = re.search(r"\.(bn\d|downsample\.1)\.", name) is not None
    if is_norm:
        return conv_parameter(name, True), False
    gain = 1.0 if ".downsample." in name else RESIDUAL_GAIN if re.search(r"layer\d\.\d+\.conv3", name) else RELU_GAIN
    return weight_range(shape, gain), True


def trunk_kind(name: str, shape) -> tuple[float, float]:
    """Return the range of a tensor of timm's towers."""
    if re.match(r"(stem|stages|final_conv|head\.fc)\.", name):
        is_norm = re.search(r"\.(bn|identity|norm)\.(weight|bias)$", name) is not None
        gains = (
            (r"^stem\.", STEM_GAIN),
            (r"\.downsample\.proj\.0\.(large|small)_conv\.", DOWNSAMPLE_GAIN),
            (r"\.downsample\.proj\.1\.", POINTWISE_GAIN),
            (r"\.token_mixer\.mixer\.", MIXER_GAIN),
            (r"\.pos_enc\.", POSITION_GAIN),
            (r"\.mlp\.fc2\.", SECOND_LINEAR_GAIN),
            (r"\.qkv\.", ATTENTION_GAIN),
            (r"", 1.0),
        )
        gain = next(gain for pattern, gain in gains if re.search(pattern, name))
        return conv_parameter(name, is_norm) or weight_range(shape, gain)
    if name in ("cls_token", "attn_pool.latent"):
        return EMBEDDING
    if name == "pos_embed":
        return POSITION
    if name.startswith("patch_embed.backbone."):
        return conv_parameter(name, ".bn." in name) or weight_range(shape, 1.0)
    if re.search(r"(^|\.)norm(_pre|1|2)?\.", name):
        return NORM_WEIGHT if name.endswith(".weight") else NORM_BIAS
    if name.endswith(".bias"):
        return BIAS
    return weight_range(shape, ATTENTION_GAIN if re.search(r"\.(qkv|q|kv)\.", name) else 1.0)


def hybrid_kind(name: str, shape) -> tuple[float, float]:
    """Return the range of a tensor in the blocks of Apple's hybrid text tower."""
    if ".pre_norm_" not in name:
        is_norm = re.search(r"\.(bn|rbr_skip)\.(weight|bias)$", name) is not None
        return conv_parameter(name, is_norm) or weight_range(shape, 1.0)
    if re.search(r"pre_norm_(mha|ffn)\.0\.", name):
        return NORM_WEIGHT if name.endswith(".weight") else NORM_BIAS
    if name.endswith(".bias"):
        return BIAS
    return weight_range(shape, ATTENTION_GAIN if ".qkv_proj." in name else 1.0)


def values(name: str, shape, seed: int) -> np.ndarray:
    """Return the tensor `name`, float32."""
    (centre, half_width), half = kind(name, shape)
    out = uniform(name, seed, int(np.prod(shape)), centre, half_width)
    if half:
        out = out.astype(np.float16).astype(np.float32)
    return out.reshape(shape)


def check(path: str, seed: int) -> None:
    """Compare every tensor of an open_clip checkpoint with its expected values."""
    from safetensors import safe_open

    count = 0
    with safe_open(path, framework="np") as file:
        for name in file.keys():
            stored = file.get_tensor(name)
            if name.endswith(".num_batches_tracked"):
                continue
            expected = values(name, stored.shape, seed)
            if re.match(r"visual\.trunk\.head\.(fc\.)?bias", name) and not stored.any():
                # Apple's layout of the model has no such tensor.
                expected = np.zeros_like(expected)
            if stored.dtype != np.float32 or stored.tobytes() != expected.tobytes():
                sys.exit(f"{name} differs")
            count += stored.size
    print(f"{path}: {count} values are equal bit for bit")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: checkpoint_values.py OPEN_CLIP_MODEL.safetensors [SEED]")
    check(sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else 1)

"""Write the checkpoints of the importer's tests, and the expected results.

Run from the repository's root, with torch, open_clip_torch 3.3.0, transformers 5.23, safetensors and numpy:

    OMP_NUM_THREADS=1 python tools/import_fixtures.py

Writes to tests/goldens/import/: one tiny random CLIP in every published format, saved by the reference libraries;
`expected.json` (name, type, shape and SHA-256 of the values as little-endian f64 of every tensor); `keys.json` (names
and shapes of full-size models); and `canonical*.safetensors`, the folded and packed tensors computed here with numpy.
Before writing these, the folded form is run in f64 and compared with open_clip's embeddings.
"""

import hashlib
import json
import math
import shutil
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import open_clip
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg, convert_weights_to_lp
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

warnings.filterwarnings("ignore")
OUT = Path("tests/goldens/import")

# Awkward sizes: no width is a multiple of 16, the towers differ, the patch size is not a power of two.
EMBED, VOCAB, CONTEXT = 12, 64, 9
IMAGE, PATCH, WIDTH, HEADS, LAYERS = 18, 6, 20, 4, 2
TEXT_WIDTH, TEXT_HEADS, TEXT_LAYERS = 24, 3, 2
MLP_RATIO = 2.0
LOGIT_SCALE = 4.60546875


def build():
    """Return the model in eval mode, with random weights that are exact in f16."""
    torch.manual_seed(7)
    model = CLIP(
        embed_dim=EMBED,
        vision_cfg=CLIPVisionCfg(
            layers=LAYERS, width=WIDTH, head_width=WIDTH // HEADS, mlp_ratio=MLP_RATIO, patch_size=PATCH, image_size=IMAGE
        ),
        text_cfg=CLIPTextCfg(
            context_length=CONTEXT, vocab_size=VOCAB, width=TEXT_WIDTH, heads=TEXT_HEADS, layers=TEXT_LAYERS,
            mlp_ratio=MLP_RATIO,
        ),
        quick_gelu=True,
    ).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name == "logit_scale":
                p.fill_(LOGIT_SCALE)
            elif "ln_" in name and name.endswith("weight"):
                p.copy_(1 + 0.3 * torch.randn_like(p))
            elif p.ndim == 1:
                p.copy_(0.2 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) / math.sqrt(max(p[0].numel(), 1)))
            p.copy_(p.half().float())
        # Constant, so that a tensor expanded from one number can represent it.
        model.visual.ln_pre.weight.fill_(1.25)
    return model


def state_dict(model):
    return OrderedDict((k, v.detach().clone()) for k, v in model.state_dict().items())


EXPECTED = {}
TYPES = {torch.float16: "f16", torch.bfloat16: "bf16", torch.float32: "f32", torch.float64: "f64", torch.int64: "i64"}


def expect(path, tensors):
    """Record the expected content of `path`."""
    listing = {}
    for name, t in tensors.items():
        values = t.detach().to(torch.float64).contiguous().numpy().astype("<f8")
        listing[name] = [TYPES[t.dtype], list(t.shape), hashlib.sha256(values.tobytes()).hexdigest()]
    EXPECTED[path] = listing


def openai_archive(model):
    """Save a TorchScript archive like OpenAI's: nested modules, mangled class names, f16 and f32, three buffers."""
    import copy

    model = copy.deepcopy(model)
    convert_weights_to_lp(model, torch.float16)
    model.token_embedding.float()
    model.positional_embedding.data = model.positional_embedding.data.float()
    for name in ("context_length", "vocab_size"):
        delattr(model, name)
    model.register_buffer("input_resolution", torch.tensor(IMAGE))
    model.register_buffer("context_length", torch.tensor(CONTEXT))
    model.register_buffer("vocab_size", torch.tensor(VOCAB))
    tensors = {k: v.clone() for k, v in model.state_dict().items()}
    tensors["attn_mask"] = model.attn_mask.clone()  # TorchScript stores buffers that a state dict omits

    model.float()
    with torch.no_grad():
        traced = torch.jit.trace(
            model,
            (torch.zeros(1, 3, IMAGE, IMAGE), torch.tensor([[1, VOCAB - 1] + [0] * (CONTEXT - 2)])),
            check_trace=False,
        )
        # Restore the types after tracing, because not every operation supports f16 on a CPU.
        for name, p in list(traced.named_parameters()) + list(traced.named_buffers()):
            if name in tensors:
                p.data = tensors[name].clone()
    torch.jit.save(traced, OUT / "openai.pt")
    with zipfile.ZipFile(OUT / "openai.pt") as z:
        names = z.namelist()
        assert any("/code/__torch__" in n for n in names), names
    reloaded = torch.jit.load(OUT / "openai.pt")
    kinds = {k: v.dtype for k, v in reloaded.state_dict().items()}
    assert kinds["visual.conv1.weight"] == torch.float16 and kinds["ln_final.weight"] == torch.float32
    assert kinds["visual.proj"] == torch.float16 and kinds["token_embedding.weight"] == torch.float32
    keep = set(reloaded.state_dict()) | {"attn_mask"}
    expect("openai.pt", {k: v for k, v in tensors.items() if k in keep})


def strided(tensors):
    """Return the same values with every kind of stride that torch preserves."""
    out = OrderedDict()
    flat = torch.cat([t.flatten() for k, t in tensors.items() if ".mlp." in k])
    at = 0
    for name, t in tensors.items():
        if ".mlp." in name:  # slices of one storage
            out[name] = flat[at : at + t.numel()].view(t.shape)
            at += t.numel()
        elif name.endswith("in_proj_weight") or name.endswith("proj"):  # transposed
            out[name] = t.t().contiguous().t()
        elif name == "visual.conv1.weight":
            out[name] = t.contiguous(memory_format=torch.channels_last)
        elif name == "token_embedding.weight":  # a corner of a larger matrix
            big = torch.full((VOCAB + 2, TEXT_WIDTH + 5), 7.0)
            big[1:-1, 3:-2] = t
            out[name] = big[1:-1, 3:-2]
        elif name == "visual.ln_pre.weight":
            out[name] = torch.tensor([1.25]).expand(WIDTH)
        elif name == "ln_final.weight":  # every third element
            big = torch.zeros(3 * TEXT_WIDTH)
            big[::3] = t
            out[name] = big[::3]
        else:
            out[name] = t
    for name, t in tensors.items():
        assert torch.equal(out[name], t), name
    assert sum(not t.is_contiguous() for t in out.values()) > 6
    return out


def to_huggingface(sd):
    """Return the tensors with the names of transformers' CLIPModel, linear projections transposed."""
    out = {"logit_scale": sd["logit_scale"]}
    out["visual_projection.weight"] = sd["visual.proj"].t().contiguous()
    out["text_projection.weight"] = sd["text_projection"].t().contiguous()
    v, t = "vision_model", "text_model"
    out[f"{v}.embeddings.class_embedding"] = sd["visual.class_embedding"]
    out[f"{v}.embeddings.patch_embedding.weight"] = sd["visual.conv1.weight"]
    out[f"{v}.embeddings.position_embedding.weight"] = sd["visual.positional_embedding"]
    out[f"{t}.embeddings.token_embedding.weight"] = sd["token_embedding.weight"]
    out[f"{t}.embeddings.position_embedding.weight"] = sd["positional_embedding"]
    for kind in ("weight", "bias"):
        out[f"{v}.pre_layrnorm.{kind}"] = sd[f"visual.ln_pre.{kind}"]
        out[f"{v}.post_layernorm.{kind}"] = sd[f"visual.ln_post.{kind}"]
        out[f"{t}.final_layer_norm.{kind}"] = sd[f"ln_final.{kind}"]
    for ours, theirs, layers in (("visual.transformer", v, LAYERS), ("transformer", t, TEXT_LAYERS)):
        for i in range(layers):
            a, b = f"{ours}.resblocks.{i}", f"{theirs}.encoder.layers.{i}"
            for kind in ("weight", "bias"):
                for n, third in enumerate(sd[f"{a}.attn.in_proj_{kind}"].chunk(3)):
                    out[f"{b}.self_attn.{'qkv'[n]}_proj.{kind}"] = third.clone()
                out[f"{b}.self_attn.out_proj.{kind}"] = sd[f"{a}.attn.out_proj.{kind}"]
                out[f"{b}.layer_norm1.{kind}"] = sd[f"{a}.ln_1.{kind}"]
                out[f"{b}.layer_norm2.{kind}"] = sd[f"{a}.ln_2.{kind}"]
                out[f"{b}.mlp.fc1.{kind}"] = sd[f"{a}.mlp.c_fc.{kind}"]
                out[f"{b}.mlp.fc2.{kind}"] = sd[f"{a}.mlp.c_proj.{kind}"]
    return out


def huggingface(sd, model):
    config = CLIPConfig(
        text_config=dict(
            vocab_size=VOCAB, hidden_size=TEXT_WIDTH, intermediate_size=int(TEXT_WIDTH * MLP_RATIO),
            num_hidden_layers=TEXT_LAYERS, num_attention_heads=TEXT_HEADS, max_position_embeddings=CONTEXT,
            bos_token_id=VOCAB - 2, eos_token_id=VOCAB - 1,
        ),
        vision_config=dict(
            hidden_size=WIDTH, intermediate_size=int(WIDTH * MLP_RATIO), num_hidden_layers=LAYERS,
            num_attention_heads=HEADS, image_size=IMAGE, patch_size=PATCH,
        ),
        projection_dim=EMBED,
    )
    theirs = CLIPModel(config).eval()
    missing, unexpected = theirs.load_state_dict(to_huggingface(sd), strict=False)
    assert not unexpected and all("position_ids" in k for k in missing), (missing, unexpected)
    image = torch.randn(1, 3, IMAGE, IMAGE)
    with torch.no_grad():
        ours = model.encode_image(image)
        out = theirs.get_image_features(pixel_values=image)
        out = out if torch.is_tensor(out) else out.pooler_output
    assert torch.allclose(ours, out, atol=1e-5), (ours - out).abs().max()

    theirs.save_pretrained(OUT / "huggingface")
    CLIPImageProcessor(size={"shortest_edge": IMAGE}, crop_size={"height": IMAGE, "width": IMAGE}).save_pretrained(
        OUT / "huggingface"
    )
    expect("huggingface/model.safetensors", theirs.state_dict())

    (OUT / "huggingface_bin").mkdir()
    old = OrderedDict(theirs.state_dict())
    old["text_model.embeddings.position_ids"] = torch.arange(CONTEXT)[None]
    old["vision_model.embeddings.position_ids"] = torch.arange((IMAGE // PATCH) ** 2 + 1)[None]
    torch.save(old, OUT / "huggingface_bin" / "pytorch_model.bin")
    for name in ("config.json", "preprocessor_config.json"):
        shutil.copy(OUT / "huggingface" / name, OUT / "huggingface_bin" / name)
    expect("huggingface_bin/pytorch_model.bin", old)


def types():
    """Save one tensor of each type, and the other values that training checkpoints contain."""
    tensors = OrderedDict(
        half=torch.arange(6).half().view(2, 3),
        bfloat=torch.linspace(-3, 3, 5).bfloat16(),
        float=torch.linspace(-3, 3, 5),
        double=torch.linspace(-3, 3, 5, dtype=torch.float64),
        long=torch.tensor(-(2**40)),
        parameter=torch.nn.Parameter(torch.ones(3)),
        empty=torch.zeros(0, 4),
        scalar=torch.tensor(2.5),
    )
    known = dict(tensors)
    rest = dict(
        complex=torch.zeros(2, dtype=torch.complex64),
        wide=torch.zeros(2, dtype=torch.uint16),
        sparse=torch.eye(2).to_sparse(),
        step=3, rate=0.5, big=2**80, negative=-5, text="ä", nothing=None, flags={1, 2}, items=[1, (2, "x")],
        where=Path("x"), size=torch.Size([1, 2]), kind=torch.float32, array=np.arange(3),
    )
    for protocol in (2, 4, 5):
        path = f"types_{protocol}.pt"
        torch.save({**tensors, **rest}, OUT / path, pickle_protocol=protocol)
        expect(path, known)


def keys():
    """Write names and shapes of published models; of some only those of the image tower, or the first of them."""
    out = {}
    with torch.device("meta"):
        for name, most in (
            ("ViT-B-32", None), ("ViT-L-14-336", None), ("RN50", None), ("MobileCLIP2-S0", 60), ("MobileCLIP-B", 60),
            ("MobileCLIP2-L-14", 60),
        ):
            cfg = open_clip.get_model_config(name)
            cls = open_clip.CustomTextCLIP if cfg.pop("custom_text", False) else CLIP
            sd = cls(**cfg).state_dict()
            visual = sorted(sd, key=lambda k: not k.startswith("visual."))
            out[name] = {k: list(sd[k].shape) for k in visual[:most]}
        out["CLIPModel"] = {k: list(v.shape) for k, v in CLIPModel(CLIPConfig()).state_dict().items()}
    (OUT / "keys.json").write_text(json.dumps(out, separators=(",", ":")).replace("},", "},\n") + "\n")


# --- The canonical form, computed independently of the importer


def pack(matrix):
    """Pack [k, n] as [ceil(n / 16), k, 16], and [n] as [16 * ceil(n / 16)]."""
    n = matrix.shape[-1]
    panels = -(-n // 16)
    padded = np.zeros(matrix.shape[:-1] + (panels * 16,), matrix.dtype)
    padded[..., :n] = matrix
    if matrix.ndim == 1:
        return padded
    return np.ascontiguousarray(padded.reshape(-1, panels, 16).transpose(1, 0, 2))


def canonical(sd):
    """Return the folded tensors in f64, `[k, n]`, unpacked."""
    g = {k: v.to(torch.float64).numpy() for k, v in sd.items()}
    out = OrderedDict()

    def linear(name, weight, bias, norm=None, scale=None):  # weight: [n, k]
        w = weight.T.copy()
        b = np.zeros(w.shape[1]) if bias is None else bias.copy()
        if norm is not None:
            b = b + g[f"{norm}.bias"] @ w
            w = g[f"{norm}.weight"][:, None] * w
        if scale is not None:
            columns, factor = scale
            w[:, :columns] *= factor
            b[:columns] *= factor
        out[f"{name}.weight"] = w
        if bias is not None or norm is not None:
            out[f"{name}.bias"] = b

    def blocks(tower, prefix, layers, width, heads):
        for i in range(layers):
            a, b = f"{prefix}.resblocks.{i}", f"{tower}.blocks.{i}"
            scale = (width, (width / heads) ** -0.5)
            linear(f"{b}.qkv", g[f"{a}.attn.in_proj_weight"], g[f"{a}.attn.in_proj_bias"], f"{a}.ln_1", scale)
            linear(f"{b}.out", g[f"{a}.attn.out_proj.weight"], g[f"{a}.attn.out_proj.bias"])
            linear(f"{b}.fc1", g[f"{a}.mlp.c_fc.weight"], g[f"{a}.mlp.c_fc.bias"], f"{a}.ln_2")
            linear(f"{b}.fc2", g[f"{a}.mlp.c_proj.weight"], g[f"{a}.mlp.c_proj.bias"])

    linear("image.patch", g["visual.conv1.weight"].reshape(WIDTH, -1), None)
    position = g["visual.positional_embedding"].copy()
    position[0] += g["visual.class_embedding"]
    out["image.position"] = position
    out["image.ln_pre.weight"] = g["visual.ln_pre.weight"]
    out["image.ln_pre.bias"] = g["visual.ln_pre.bias"]
    blocks("image", "visual.transformer", LAYERS, WIDTH, HEADS)
    linear("image.proj", g["visual.proj"].T, None, "visual.ln_post")
    out["text.token_embedding"] = g["token_embedding.weight"]
    out["text.position"] = g["positional_embedding"]
    blocks("text", "transformer", TEXT_LAYERS, TEXT_WIDTH, TEXT_HEADS)
    linear("text.proj", g["text_projection"].T, None, "ln_final")
    return out


DENSE = ("image.position", "image.ln_pre.weight", "image.ln_pre.bias", "text.token_embedding", "text.position")


def run(folded, image, ids):
    """Compute embeddings with the folded tensors in f64, unnormalised."""

    def norm(x):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)

    def blocks(x, tower, layers, heads, mask):
        for i in range(layers):
            p = lambda name: folded[f"{tower}.blocks.{i}.{name}"]
            qkv = norm(x) @ p("qkv.weight") + p("qkv.bias")
            q, k, v = (part.reshape(len(x), heads, -1).swapaxes(0, 1) for part in np.split(qkv, 3, -1))
            scores = q @ k.swapaxes(1, 2) + mask
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            scores /= scores.sum(-1, keepdims=True)
            x = x + (scores @ v).swapaxes(0, 1).reshape(x.shape) @ p("out.weight") + p("out.bias")
            h = norm(x) @ p("fc1.weight") + p("fc1.bias")
            x = x + h / (1 + np.exp(-1.702 * h)) @ p("fc2.weight") + p("fc2.bias")
        return x

    grid = IMAGE // PATCH
    cut = image[:, : grid * PATCH, : grid * PATCH].reshape(3, grid, PATCH, grid, PATCH)
    patches = cut.transpose(1, 3, 0, 2, 4).reshape(grid * grid, -1) @ folded["image.patch.weight"]
    x = np.concatenate([np.zeros((1, WIDTH)), patches]) + folded["image.position"]
    x = norm(x) * folded["image.ln_pre.weight"] + folded["image.ln_pre.bias"]
    x = blocks(x, "image", LAYERS, HEADS, 0.0)
    of_image = norm(x[0]) @ folded["image.proj.weight"] + folded["image.proj.bias"]

    mask = np.triu(np.full((CONTEXT, CONTEXT), -np.inf), 1)
    x = folded["text.token_embedding"][ids] + folded["text.position"]
    x = blocks(x, "text", TEXT_LAYERS, TEXT_HEADS, mask)
    of_text = norm(x[int(np.argmax(ids))]) @ folded["text.proj.weight"] + folded["text.proj.bias"]
    return of_image, of_text


def write_canonical(path, sd, model):
    import copy

    folded = canonical(sd)
    model = copy.deepcopy(model).double()
    model.load_state_dict({k: v.double() for k, v in sd.items()})
    rng = np.random.default_rng(3)
    image = rng.standard_normal((3, IMAGE, IMAGE))
    ids = np.array([VOCAB - 2, 5, 17, 3, VOCAB - 1, 0, 0, 0, 0])
    with torch.no_grad():
        want = (
            model.encode_image(torch.from_numpy(image)[None])[0].numpy(),
            model.encode_text(torch.from_numpy(ids)[None])[0].numpy(),
        )
    for got, want in zip(run(folded, image, ids), want):
        error = np.abs(got - want).max() / np.abs(want).max()
        assert error < 1e-12, error
    packed = {
        name: torch.from_numpy((v if name in DENSE else pack(v)).astype(np.float32)) for name, v in folded.items()
    }
    save_file(packed, OUT / path)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "open_clip").mkdir(parents=True)
    model = build()
    sd = state_dict(model)

    openai_archive(model)

    save_file(sd, OUT / "open_clip" / "open_clip_model.safetensors")
    expect("open_clip/open_clip_model.safetensors", sd)
    openai_mean, openai_std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    (OUT / "open_clip" / "open_clip_config.json").write_text(
        json.dumps(
            {
                "model_cfg": {
                    "embed_dim": EMBED,
                    "quick_gelu": True,
                    "vision_cfg": {
                        "image_size": IMAGE, "layers": LAYERS, "width": WIDTH, "head_width": WIDTH // HEADS,
                        "mlp_ratio": MLP_RATIO, "patch_size": PATCH,
                    },
                    "text_cfg": {
                        "context_length": CONTEXT, "vocab_size": VOCAB, "width": TEXT_WIDTH, "heads": TEXT_HEADS,
                        "layers": TEXT_LAYERS, "mlp_ratio": MLP_RATIO,
                    },
                },
                "preprocess_cfg": {"mean": openai_mean, "std": openai_std},
            },
            indent=4,
        )
        + "\n"
    )

    torch.save(sd, OUT / "plain.pt")
    expect("plain.pt", sd)
    with zipfile.ZipFile(OUT / "plain.pt") as z, zipfile.ZipFile(OUT / "deflated.pt", "w", zipfile.ZIP_DEFLATED) as d:
        for name in z.namelist():
            d.writestr(zipfile.ZipInfo(name), z.read(name), zipfile.ZIP_DEFLATED)
    expect("deflated.pt", sd)

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    torch.save(
        {
            "epoch": 3,
            "name": "run",
            "state_dict": OrderedDict((f"module.{k}", v) for k, v in sd.items()),
            "optimizer": optimizer.state_dict(),
        },
        OUT / "training.pt",
    )
    expect("training.pt", sd)
    torch.save(sd, OUT / "legacy.pt", _use_new_zipfile_serialization=False)
    expect("legacy.pt", sd)
    views = strided(sd)
    torch.save(views, OUT / "strided.pt")
    expect("strided.pt", sd)

    bf16 = {k: v.bfloat16() for k, v in sd.items()}
    save_file(bf16, OUT / "bf16.safetensors")
    expect("bf16.safetensors", bf16)
    torch.manual_seed(8)
    f64 = OrderedDict((k, v.double() * (1 + 1e-6 * torch.rand_like(v, dtype=torch.float64))) for k, v in sd.items())
    torch.save(f64, OUT / "f64.pt")
    expect("f64.pt", f64)

    huggingface(sd, model)
    types()
    keys()
    write_canonical("canonical.safetensors", sd, model)
    write_canonical("canonical_f64.safetensors", f64, model)

    (OUT / "expected.json").write_text(json.dumps(EXPECTED, indent=0) + "\n")
    total = sum(f.stat().st_size for f in OUT.rglob("*") if f.is_file())
    print(f"{total} bytes in {OUT}")


if __name__ == "__main__":
    main()

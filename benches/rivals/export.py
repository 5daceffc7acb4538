"""Write the files that the engines read: open_clip's models with random weights, their inference form, ONNX graphs.

One seed gives all values. What training would have shaped is random too (BatchNorm statistics, LayerScale, biases),
so that no branch is close to nothing and two engines that agree have computed the same thing.

    python export.py WORK BATCHES CASE...          such as target/rivals 1,8 vit-b-32
"""

import json
import logging
import sys
import warnings
from pathlib import Path
from unittest import mock

import open_clip
import timm.utils
import torch
from open_clip import hf_model
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from transformers import CLIPTokenizer, XLMRobertaConfig

from models import CASES, IMAGE, SEED, Case, Files, inputs, tokenizer_json

NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm)


def quiet() -> None:
    """Silence warnings: open_clip's about missing pretrained weights, the exporters' about deprecation."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)


@torch.no_grad()
def fill(model: nn.Module) -> None:
    """Set random weights that keep activations near one through the towers."""
    generator = torch.Generator().manual_seed(SEED)
    modules = dict(model.named_modules())
    for name, value in model.state_dict().items():
        path, _, leaf = name.rpartition(".")
        owner = modules[path]
        if leaf in ("num_batches_tracked", "logit_scale"):
            continue
        uniform = torch.rand(value.shape, generator=generator)
        normal = torch.randn(value.shape, generator=generator)
        if leaf == "running_mean":
            value.copy_(0.1 * normal)
        elif leaf == "running_var" or (leaf == "weight" and isinstance(owner, NORMS)):
            value.copy_(0.7 + 0.6 * uniform)
        elif "bias" in leaf:
            value.copy_(0.02 * normal)
        elif leaf == "gamma":
            # LayerScale; larger values make the 48 blocks of MobileCLIP-S2 amplify rounding errors.
            value.copy_(0.05 + 0.1 * uniform)
        elif leaf in ("proj", "text_projection"):
            value.copy_(normal * value.shape[0] ** -0.5)
        elif leaf in ("weight", "in_proj_weight") and not isinstance(owner, nn.Embedding):
            value.copy_(normal * value[0].numel() ** -0.5)
        else:
            # Make tokens differ more than positions.
            value.copy_((0.5 if isinstance(owner, nn.Embedding) else 0.1) * normal)


def create(name: str) -> nn.Module:
    """Create a model without the network: open_clip asks for the configuration of XLM-RoBERTa's repository."""
    config = XLMRobertaConfig(
        vocab_size=250_002, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5
    )
    with mock.patch.object(hf_model.AutoConfig, "from_pretrained", return_value=config):
        return open_clip.create_model(name, pretrained_hf=False)


def checkpoint(files: Files) -> None:
    """Write the model as a published checkpoint, with its configuration."""
    if files.checkpoint.exists():
        return
    name = files.case.open_clip
    model = create(name)
    fill(model)
    config = {"model_cfg": open_clip.get_model_config(name)}
    if files.case.model.startswith("mobileclip"):
        preprocess = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], "interpolation": "bilinear"}
        config["preprocess_cfg"] = preprocess | {"resize_mode": "shortest"}
    files.folder.mkdir(parents=True, exist_ok=True)
    (files.folder / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    replace(files.checkpoint, lambda part: save_file(state, part))


def replace(path: Path, write) -> None:
    """Write to a temporary name and rename, so that no incomplete file is used."""
    part = path.with_name(f"part-{path.name}")
    write(part)
    part.rename(path)


class TextTower(nn.Module):
    """The text tower of a model that has no separate module for it."""

    def __init__(self, model: nn.Module):
        super().__init__()
        model.visual = nn.Identity()
        self.model = model

    def forward(self, ids):
        return self.model.encode_text(ids)


def inference_form(model: nn.Module) -> nn.Module:
    """Fold training-time branches, and BatchNorm into the preceding convolution, as careful users do."""
    model = timm.utils.reparameterize_model(model)
    for module in list(model.modules()):
        children = list(module.named_children())
        for (name, conv), (norm_name, norm) in zip(children, children[1:]):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                # timm's norms may include the activation.
                rest = nn.Sequential(norm.drop, norm.act) if hasattr(norm, "act") else nn.Identity()
                setattr(module, name, fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, rest)
    return model


def published(files: Files) -> nn.Module:
    """Load the checkpoint's model in training form."""
    model = create(files.case.open_clip).eval().requires_grad_(False)
    model.load_state_dict(load_file(files.checkpoint), strict=True)
    return model


def tower(model: nn.Module, case: Case) -> nn.Module:
    """Return the module that computes unnormalised embeddings from pixels or ids."""
    if case.tower == IMAGE:
        return model.visual
    return model.text if hasattr(model, "text") else TextTower(model)


class CutText(nn.Module):
    """The causal text tower for any number of tokens; tokens after the end token have no effect."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, ids):
        model, count = self.model, ids.shape[1]
        x = model.token_embedding(ids) + model.positional_embedding[:count]
        x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:count, :count]))
        return x[torch.arange(x.shape[0]), ids.argmax(dim=-1)] @ model.text_projection


def onnx(path: Path, module: nn.Module, x: torch.Tensor, dynamic: dict | None = None) -> None:
    """Export with the fixed shapes of `x`.

    The exporter by torch.export: ONNX Runtime and OpenVINO run its graphs and those by TorchScript equally fast,
    within 2 %.
    """
    program = torch.onnx.export(
        module, (x,), dynamo=True, input_names=["x"], output_names=["y"], dynamic_shapes=dynamic, verbose=False
    )
    replace(path, program.save)


def prepare(files: Files, batches: list[int]) -> None:
    """Write all files of a case except the `.clippie` file."""
    case = files.case
    checkpoint(files)
    model = published(files)
    module = tower(model, case)
    for batch in batches:
        x = inputs(case, batch)
        replace(files.inputs(batch), x.tofile)
        with torch.inference_mode():
            replace(files.expected(batch), module(torch.from_numpy(x)).numpy().tofile)
    module = inference_form(module)
    replace(files.module, lambda part: torch.save(module, part))
    for batch in batches:
        x = torch.from_numpy(inputs(case, batch))
        onnx(files.onnx(batch), module, x)
        if case.cuts:
            tokens = torch.export.Dim("tokens", min=2, max=x.shape[1])
            # A tower of transformers takes any number of tokens.
            own = isinstance(module, hf_model.HFTextEncoder)
            cut, name = (module, "x") if own else (CutText(module.model), "ids")
            onnx(files.cut(batch), cut, x[:, : case.size], {name: {1: tokens}})


def tokenizer(path: Path) -> None:
    """Write CLIP's tokenizer in Hugging Face's format, from open_clip's vocabulary."""
    own = SimpleTokenizer()
    theirs = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {theirs.get(piece, piece): number for piece, number in own.encoder.items()}
    made = CLIPTokenizer(vocab=vocabulary, merges=list(own.bpe_ranks)).backend_tokenizer
    replace(path, lambda part: made.save(str(part)))


def main() -> None:
    work, batches, names = Path(sys.argv[1]), [int(b) for b in sys.argv[2].split(",")], sys.argv[3:]
    quiet()
    # PyTorch's fused attention has no ONNX equivalent.
    torch.backends.mha.set_fastpath_enabled(False)
    for case in CASES:
        if case.name in names:
            print(f"preparing {case.name}", file=sys.stderr, flush=True)
            prepare(Files(work, case), batches)
    if not tokenizer_json(work).exists():
        tokenizer(tokenizer_json(work))


if __name__ == "__main__":
    # Register the module under this name, so that pickles can refer to it.
    sys.modules["export"] = sys.modules["__main__"]
    TextTower.__module__ = "export"
    main()

"""Load generated checkpoints of every layout with the reference libraries and compare embeddings.

Not needed to build or test clippie-rs. Verifies that the libraries load the generator's files in strict mode, without
missing or unexpected tensors.

    pip install torch==2.15.0 open_clip_torch==3.3.0 transformers==5.23.0 safetensors==0.8.0 numpy==2.4.6
    cargo build --release --example generate-checkpoint
    OMP_NUM_THREADS=1 python tools/reference/check_layouts.py target/release/examples/generate-checkpoint \
        tiny-openai vit-b-32-openai
"""

import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import open_clip
import torch
from safetensors.torch import load_file

warnings.simplefilter("ignore")


def generate(tool: str, model: str, layout: str, folder: Path) -> list[Path]:
    command = [tool, "--model", model, "--layout", layout, str(folder / layout)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"  {layout}: {done.stderr.strip()}")
        return []
    return sorted((folder / layout).iterdir())


def open_clip_model(folder: Path, state: dict) -> torch.nn.Module:
    config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    model = open_clip.model.CLIP(**config)
    model.load_state_dict(state, strict=True)
    return model.eval()


def check(tool: str, name: str) -> None:
    print(name)
    results = {}
    with tempfile.TemporaryDirectory() as scratch, torch.no_grad():
        scratch = Path(scratch)
        generate(tool, name, "open-clip", scratch)
        folder = scratch / "open-clip"
        state = load_file(folder / "open_clip_model.safetensors")
        model = open_clip_model(folder, state)

        generator = torch.Generator().manual_seed(0)
        size = model.visual.image_size[0]
        images = torch.randn(2, 3, size, size, generator=generator)
        texts = torch.randint(1, model.vocab_size - 2, (3, model.context_length), generator=generator)
        texts[:, 0] = model.vocab_size - 2
        texts[0, 5], texts[0, 6:] = model.vocab_size - 1, 0
        texts[1:, -1] = model.vocab_size - 1

        def embed(model):
            return model.encode_image(images).numpy(), model.encode_text(texts).numpy()

        results["open-clip"] = embed(model)
        if name.startswith("vit"):
            # Load a folder as users do.
            loaded = open_clip.create_model("local-dir:" + str(folder))
            results["open-clip, create_model"] = embed(loaded.eval())

        generate(tool, name, "open-clip-bin", scratch)
        folder = scratch / "open-clip-bin"
        path = folder / "open_clip_pytorch_model.bin"
        for mmap in (False, True):
            other = torch.load(path, weights_only=True, map_location="cpu", mmap=mmap)
            assert list(other) == list(model.state_dict()), "other names or order"
            assert other._metadata[""] == {"version": 1}
            assert all(torch.equal(other[key], state[key]) for key in state)
        results["open-clip-bin"] = embed(open_clip_model(folder, other))

        if files := generate(tool, name, "openai", scratch):
            archive = torch.jit.load(files[0], map_location="cpu").state_dict()
            for key, expected in state.items():
                tensor = archive.pop(key)
                assert torch.equal(tensor.float(), expected), key
                assert tensor.dtype == model_dtype(key), (key, tensor.dtype)
            assert {key: (int(v), v.shape, v.dtype) for key, v in archive.items()} == {
                "input_resolution": (size, torch.Size([]), torch.int64),
                "context_length": (model.context_length, torch.Size([]), torch.int64),
                "vocab_size": (model.vocab_size, torch.Size([]), torch.int64),
            }
            print(f"  {files[0].name} has {files[0].stat().st_size} bytes")
            towers = model.visual.transformer, model.transformer
            if all(tower.resblocks[0].attn.head_dim == 64 for tower in towers):
                # The archive does not state the number of heads, and the library's guess would be wrong.
                loaded = open_clip.load_openai_model(str(files[0]), device="cpu", precision="fp32")
                results["openai"] = embed(loaded)

        if generate(tool, name, "huggingface", scratch):
            from transformers import CLIPImageProcessor, CLIPModel

            folder = scratch / "huggingface"
            loaded, info = CLIPModel.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
            assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
            loaded.eval()
            image = loaded.get_image_features(pixel_values=images)
            text = loaded.get_text_features(input_ids=texts)
            pooled = lambda out: getattr(out, "pooler_output", out).numpy()
            results["huggingface"] = pooled(image), pooled(text)
            processor = CLIPImageProcessor.from_pretrained(folder)
            assert processor.crop_size["height"] == size and processor.size["shortest_edge"] == size
            np.testing.assert_allclose(processor.image_mean, loaded_mean(scratch))

    for layout, (image, text) in results.items():
        worst = [
            np.abs(ours - theirs).max() / np.abs(theirs).max()
            for ours, theirs in zip((image, text), results["open-clip"])
        ]
        print(f"  {layout}: largest difference image {worst[0]:.1e}, text {worst[1]:.1e}")
        assert max(worst) < 1e-5, layout


def model_dtype(key: str) -> torch.dtype:
    """Return the type of a parameter after open_clip's convert_weights_to_fp16."""
    parts = ("conv1", "in_proj", "out_proj", "c_fc", "c_proj", "text_projection", "visual.proj")
    return torch.float16 if any(part in key for part in parts) else torch.float32


def loaded_mean(scratch: Path) -> list[float]:
    return json.loads((scratch / "open-clip" / "open_clip_config.json").read_text())["preprocess_cfg"]["mean"]


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: check_layouts.py GENERATE-CHECKPOINT MODEL...")
    for name in sys.argv[2:]:
        check(sys.argv[1], name)

"""Trains the demo model: a tiny CLIP of drawn scenes, an ordinary open_clip checkpoint.

    cargo run --release --example draw-scenes -- --seed 1 --count 140000 scenes/train
    cargo run --release --example draw-scenes -- --seed 5 --count 4000 scenes/check
    python tools/demo/train.py scenes/train scenes/check OUT      # about an hour on one core of a desktop machine
    clippie-rs convert OUT weights/demo.clippie

Needs torch, open_clip_torch, safetensors and numpy; nothing else of this project needs it or them. OUT gets
open_clip_model.safetensors, open_clip_config.json and training.jsonl (the curve); `--measure` measures an OUT
already made on the scenes of CHECK, and `--resume` goes on after an interruption.

The loss is CLIP's, except that sentences of other pictures which happen to be true of a picture are no negatives.
Towers this small would need many more pictures with that loss alone. So two helpers, thrown away afterwards, give
them more to learn from each one: heads that read a scene's facts off the class token and a sentence's claims off
its end token, and heads that name the shape and colour under each patch half-way up.

Random sentences are mostly told from the right one by colour. So from half-way on, each picture also has to refuse
its own sentence with a word or two made wrong: another shape or number, left for right, colours exchanged. And who
is left of whom takes the text tower long to learn, while sentences cost little: so it starts with steps without
pictures, and later reads more sentences at each step than there are pictures.
"""

import argparse
import json
import math
import pathlib
import re
import time

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from safetensors.torch import load_file, save_file
from torch import nn

EMBED = 64
VISION = dict(layers=4, width=96, head_width=32, patch_size=8, image_size=64)
TEXT = dict(context_length=32, vocab_size=49408, width=48, heads=3, layers=3)
MEAN = STD = 0.5

# Classes of each fact: kind, count, (shape, colour, size) twice, relation, column, row, background, pattern.
FACTS = [3, 6, 9, 11, 2, 9, 11, 2, 2, 3, 3, 11, 4]
HARD_FROM = 0.5  # share of the training after which altered sentences join
ALTERED = 4  # altered sentences of each picture
SENTENCES = 1500  # steps of the text tower alone, before all others
MORE = 256  # sentences that a step reads besides those of its pictures
CLAIMS = [n + 1 for n in FACTS]  # and one class for what is not said
PATCH_LAYER = 3  # the patch heads read the output of this many blocks


def tokens_of(texts):
    """open_clip's ids, [texts, context_length]. Tokenises each word once: the sentences share few."""
    tokenizer = open_clip.SimpleTokenizer(context_length=TEXT["context_length"])
    words = {}
    out = np.zeros((len(texts), TEXT["context_length"]), np.int32)
    for row, text in zip(out, texts):
        ids = [tokenizer.sot_token_id]
        for word in re.findall(r"[a-z]+|[0-9]|[^a-z0-9\s]+", text.lower()):
            if word not in words:
                words[word] = tokenizer.encode(word)
            ids += words[word]
        ids.append(tokenizer.eot_token_id)
        row[: len(ids)] = ids
    sample = range(0, len(texts), max(1, len(texts) // 500))
    assert (out[list(sample)] == tokenizer([texts[i] for i in sample]).numpy()).all()
    return out


class Scenes:
    """A folder written by draw-scenes."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.images = np.load(folder / "images.npy", mmap_mode="r")
        self.cells = np.load(folder / "cells.npy")
        cache = folder / "captions.npz"
        if not cache.exists():
            facts, claims, either, texts = [], [], [], []
            for line in open(folder / "captions.jsonl"):
                scene = json.loads(line)
                facts.append(scene["facts"])
                for caption in scene["captions"]:
                    claims.append(caption["claim"])
                    either.append(caption["either"])
                    texts.append(caption["text"])
            each = len(texts) // len(facts)
            shape = (len(facts), each)
            np.savez(
                cache,
                facts=np.array(facts, np.int8),
                claims=np.array(claims, np.int8).reshape(*shape, -1),
                either=np.array(either).reshape(shape),
                tokens=tokens_of(texts).reshape(*shape, -1),
            )
        held = np.load(cache)
        self.facts, self.claims, self.either, self.tokens = (held[k] for k in ("facts", "claims", "either", "tokens"))

    def pixels(self, index):
        return (torch.from_numpy(self.images[index]).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def fits(claims, facts):
    return ((claims[None] < 0) | (claims[None] == facts[:, None])).all(-1)


def swapped(claims):
    return claims[..., [0, 1, 5, 6, 7, 2, 3, 4, 8, 9, 10, 11, 12]]


def holds(claims, either, facts):
    """[scenes, captions]: whether a caption is true of a scene."""
    return fits(claims, facts) | (fits(swapped(claims), facts) & either[None])


def might_hold(claims, either, facts):
    """As `holds`, and also what only describes a scene badly, as Claim::might_hold in tools/testkit/src/scenes."""
    loose = holds(claims, either, facts)
    single = claims[:, 0] == 0
    several = claims[:, 0] == 1
    alone = claims.copy()
    alone[:, [0, 1, 9, 10]] = -1
    many = alone.copy()
    many[:, 4] = -1
    pair = (facts[:, 0] == 2)[:, None]
    loose |= single[None] & pair & (fits(alone, facts) | fits(swapped(alone), facts))
    loose |= single[None] & (facts[:, 0] == 1)[:, None] & fits(many, facts)
    two = (claims[:, 1] == 2) | (claims[:, 1] < 0)
    loose |= (several & two)[None] & pair & fits(many, facts) & fits(swapped(many), facts)
    return loose


# Words that exclude each other, in classes of synonyms. What is not one token is left alone.
GROUPS = [
    ["circle disc disk", "square", "triangle", "star", "heart", "cross", "ring", "diamond rhombus", "moon crescent"],
    ["circles discs disks", "squares", "triangles", "stars", "hearts", "crosses", "rings", "diamonds", "moons crescents"],
    ["red", "orange", "yellow", "green", "blue", "purple violet", "pink", "brown", "black", "white", "gray grey"],
    ["small little tiny", "big large"],
    ["two", "three", "four", "five"],
    ["2", "3", "4", "5"],
    ["left", "right"],
    ["top", "bottom"],
    ["upper", "lower"],
    ["above over", "below under"],
    ["plain", "striped stripy", "dotted spotted", "checkered chequered checked"],
    ["stripes", "dots", "checks"],
]


class Altering:
    """Makes true sentences false by exchanging words, on rows of ids of the compact vocabulary."""

    def __init__(self, vocabulary):
        tokenizer = open_clip.SimpleTokenizer()
        self.class_of, self.groups = {}, []

        def compact(word):
            ids = tokenizer.encode(word)
            at = np.searchsorted(vocabulary, ids[0])
            return at if len(ids) == 1 and at < len(vocabulary) and vocabulary[at] == ids[0] else None

        for group in GROUPS:
            classes = [[i for i in map(compact, words.split()) if i is not None] for words in group]
            classes = [ids for ids in classes if ids]
            for number, ids in enumerate(classes):
                for i in ids:
                    self.class_of.setdefault(i, (len(self.groups), number))
            self.groups.append(classes)
        self.a, self.an, self.orange = map(compact, ["a", "an", "orange"])

    def alter(self, row, may_swap, dice):
        """One altered copy, or None if no word can be altered."""
        places = [(at, *self.class_of[i]) for at, i in enumerate(row.tolist()) if i in self.class_of]
        if not places:
            return None
        row = row.copy()
        if may_swap and dice.random() < 0.35:
            pairs = [(p, q) for p in places for q in places if p[0] < q[0] and p[1] == q[1] and p[2] != q[2]]
            if pairs:
                (p, *_), (q, *_) = pairs[dice.integers(len(pairs))]
                row[[p, q]] = row[[q, p]]
                return self.articles(row)
        # First what kind of word, then which: else colours would take most turns.
        kinds = sorted({group for _, group, _ in places})
        kind = kinds[dice.integers(len(kinds))]
        at, group, number = [p for p in places if p[1] == kind][dice.integers(sum(p[1] == kind for p in places))]
        others = [ids for n, ids in enumerate(self.groups[group]) if n != number]
        ids = others[dice.integers(len(others))]
        row[at] = ids[dice.integers(len(ids))]
        return self.articles(row)

    def articles(self, row):
        for at in range(len(row) - 1):
            if row[at] in (self.a, self.an) and row[at + 1] in self.class_of:
                row[at] = self.an if row[at + 1] == self.orange else self.a
        return row

    def batch(self, rows, claims, either, dice):
        """[captions, ALTERED, tokens], and which of them are none."""
        out = np.repeat(rows[:, None], ALTERED, 1)
        none = np.zeros(out.shape[:2], bool)
        for i, row in enumerate(rows):
            # Without a relation, exchanged words can be as true as before unless all is said and differs.
            c = claims[i]
            may_swap = not either[i] or (min(c[[2, 3, 5, 6]]) >= 0 and c[2] != c[5] and c[3] != c[6] and max(c[4], c[7]) < 0)
            for k in range(ALTERED):
                altered = self.alter(row, may_swap, dice)
                if altered is None:
                    none[i, k] = True
                else:
                    out[i, k] = altered
        return torch.from_numpy(out), torch.from_numpy(none)


class Student(nn.Module):
    """The CLIP with a vocabulary of only the words that occur, and the helpers."""

    def __init__(self, vocabulary):
        super().__init__()
        self.clip = CLIP(EMBED, CLIPVisionCfg(**VISION), CLIPTextCfg(**{**TEXT, "vocab_size": vocabulary}))
        width = VISION["width"]
        self.facts = nn.Linear(width, sum(FACTS))
        self.claims = nn.Linear(TEXT["width"], sum(CLAIMS))
        self.cell = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1 + 9 + 11))

    def image(self, pixels):
        v = self.clip.visual
        x = v.conv1(pixels).flatten(2).transpose(1, 2)  # [n, patches, width]
        x = torch.cat([v.class_embedding.expand(len(x), 1, -1), x], 1) + v.positional_embedding
        x = v.ln_pre(x)
        for number, block in enumerate(v.transformer.resblocks, 1):
            x = block(x)
            if number == PATCH_LAYER:
                patches = x[:, 1:]
        x = v.ln_post(x[:, 0])
        return x @ v.proj, x, patches

    def text(self, ids):
        c = self.clip
        length = int(ids.argmax(-1).max()) + 1
        ids = ids[:, :length]
        x = c.token_embedding(ids) + c.positional_embedding[:length]
        x = c.transformer(x, attn_mask=c.attn_mask[:length, :length])
        x = c.ln_final(x[torch.arange(len(x)), ids.argmax(-1)])
        return x @ c.text_projection, x


def contrast(image, text, scale, excluded, altered=None, none=None):
    """CLIP's loss over a batch; `excluded` pairs are no negatives, `altered` are more negatives of each picture."""
    image, text = F.normalize(image, dim=-1), F.normalize(text, dim=-1)
    logits = (scale * image @ text.T).masked_fill(excluded, -1e4)
    target = torch.arange(len(logits))
    rows = logits
    if altered is not None:
        own = scale * torch.einsum("id,ikd->ik", image, F.normalize(altered, dim=-1))
        rows = torch.cat([logits, own.masked_fill(none, -1e4)], 1)
    return (F.cross_entropy(rows, target) + F.cross_entropy(logits.T, target)) / 2, rows


def read_off(logits, targets, sizes):
    """Mean cross-entropy of the facts that there are (>= 0)."""
    losses = []
    for part, column in zip(logits.split(sizes, -1), targets.unbind(-1)):
        known = column >= 0
        if known.any():
            losses.append(F.cross_entropy(part[known], column[known]))
    return torch.stack(losses).mean()


def cell_loss(logits, cells, facts):
    """Shape and colour under each patch, by the map of which object covers it."""
    covered = cells > 0
    at = (2 + 3 * (cells - 1)).clamp(min=0)
    shape = facts.gather(1, at)
    colour = facts.gather(1, at + 1)
    there, shapes, colours = logits.split([1, 9, 11], -1)
    loss = F.binary_cross_entropy_with_logits(there[..., 0], covered.float())
    return loss + F.cross_entropy(shapes[covered], shape[covered]) + F.cross_entropy(colours[covered], colour[covered])


@torch.no_grad()
def embed(model, scenes, batch=250):
    """Unit embeddings of all pictures and of the first caption of each."""
    images, texts = [], []
    for start in range(0, len(scenes.facts), batch):
        part = np.arange(start, min(start + batch, len(scenes.facts)))
        images.append(F.normalize(model.image(scenes.pixels(part))[0], dim=-1))
        texts.append(F.normalize(model.text(scenes.ids[part, 0])[0], dim=-1))
    return torch.cat(images), torch.cat(texts)


def measure(images, texts, scenes, captions=20, pictures=50, seed=0):
    """Shares of pictures whose caption ranks first among 20, and of captions whose picture does among 50. The
    others are drawn at random among those that are false."""
    n = len(images)
    cosines = (images @ texts.T).numpy()
    false = ~might_hold(scenes.claims[:n, 0], scenes.either[:n, 0], scenes.facts[:n])
    dice = np.random.default_rng(seed)
    right = [0, 0]
    for i in range(n):
        others = dice.choice(np.flatnonzero(false[i]), captions - 1, replace=False)
        right[0] += cosines[i, i] > cosines[i, others].max()
        others = dice.choice(np.flatnonzero(false[:, i]), pictures - 1, replace=False)
        right[1] += cosines[i, i] > cosines[others, i].max()
    return right[0] / n, right[1] / n


def read_sentences(model, scenes, dice):
    """Teaches the text tower what sentences claim, three of four about two objects in a relation."""
    parts = [part for name, part in model.named_parameters() if "visual" not in name]
    optimizer = torch.optim.AdamW(parts, betas=(0.9, 0.98), weight_decay=0.05)
    claims, ids = scenes.claims.reshape(-1, len(FACTS)), scenes.ids.flatten(0, 1)
    related = np.flatnonzero(claims[:, 8] >= 0)
    mean = 0.0
    for step in range(SENTENCES):
        for group in optimizer.param_groups:
            group["lr"] = 1.2e-3 * min(1, (step + 1) / 50) * (0.675 + 0.325 * math.cos(math.pi * step / SENTENCES))
        index = np.concatenate([dice.choice(related, MORE * 3 // 4), dice.integers(len(claims), size=MORE // 4)])
        loss = read_off(model.claims(model.text(ids[index])[1]), torch.from_numpy(claims[index]).long() + 1, CLAIMS)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parts, 1.0)
        optimizer.step()
        mean += loss.item() / 100
        if (step + 1) % 100 == 0:
            print(json.dumps({"sentences": step + 1, "claims": round(mean, 4)}), flush=True)
            mean = 0.0


def train(args):
    torch.manual_seed(args.seed)
    dice = np.random.default_rng(args.seed)
    scenes, check = Scenes(args.train), Scenes(args.check)
    vocabulary = np.unique(np.concatenate([scenes.tokens.ravel(), check.tokens.ravel()]))
    for part in (scenes, check):
        # Order is kept, so that the end token stays the largest.
        part.ids = torch.from_numpy(np.searchsorted(vocabulary, part.tokens))
    altering = Altering(vocabulary)
    model = Student(len(vocabulary))
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}], betas=(0.9, 0.98), eps=1e-7
    )
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    step, progress, spent = 0, 0.0, 0.0
    if args.resume:
        saved = torch.load(out / "interrupted.pt", weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        step, progress, spent = (saved[name] for name in ("step", "progress", "minutes"))
        dice = np.random.default_rng(args.seed + step)
    else:
        read_sentences(model, scenes, dice)
    curve = open(out / "training.jsonl", "a" if args.resume else "w")
    start = time.time() - spent * 60
    order = np.empty(0, int)
    sums = np.zeros(6)
    while progress < 1:
        if len(order) < args.batch:
            order = dice.permutation(len(scenes.facts))
        index, order = np.sort(order[: args.batch]), order[args.batch :]
        which = dice.integers(scenes.claims.shape[1], size=args.batch)
        rate = args.rate * min(1, (step + 1) / 150) * (0.5 + 0.5 * math.cos(math.pi * progress))
        for group in optimizer.param_groups:
            group["lr"] = rate
        claims, facts = scenes.claims[index, which], scenes.facts[index]
        excluded = torch.from_numpy(holds(claims, scenes.either[index, which], facts))
        excluded.fill_diagonal_(False)
        image, seen, patches = model.image(scenes.pixels(index))
        ids, altered, none = scenes.ids[index, which], None, None
        if progress >= HARD_FROM:
            altered, none = altering.batch(ids.numpy(), claims, scenes.either[index, which], dice)
            ids = torch.cat([ids, altered.flatten(0, 1)])
        more = dice.integers(scenes.either.size, size=MORE)
        text, read = model.text(torch.cat([ids, scenes.ids.flatten(0, 1)[more]]))
        if altered is not None:
            altered = text[args.batch : -MORE].unflatten(0, (-1, ALTERED))
        text, read = text[: args.batch], torch.cat([read[: args.batch], read[-MORE:]])
        claims = np.concatenate([claims, scenes.claims.reshape(-1, len(FACTS))[more]])
        facts, claims = torch.from_numpy(facts).long(), torch.from_numpy(claims).long()
        loss, logits = contrast(image, text, model.clip.logit_scale.exp(), excluded, altered, none)
        helpers = [
            read_off(model.facts(seen), facts, FACTS),
            read_off(model.claims(read), claims + 1, CLAIMS),
            cell_loss(model.cell(patches), torch.from_numpy(scenes.cells[index]).long(), facts),
        ]
        help_weight = 1 - 0.8 * progress
        total = loss + helpers[1] + help_weight * (helpers[0] + 0.5 * helpers[2])
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.clip.logit_scale.clamp_(0, math.log(100))
            best = (logits.argmax(1) == torch.arange(args.batch)).float().mean()
        step += 1
        spent = (time.time() - start) / 60
        progress = max(progress, step / args.steps, spent / args.minutes)
        sums += [loss.item(), *(h.item() for h in helpers), best.item(), 1]
        if step % 50 == 0 or progress >= 1:
            names = ["contrast", "facts", "claims", "cells", "in_batch"]
            row = {"step": step, "minutes": round(spent, 2), "rate": round(rate, 6)}
            row |= {name: round(float(value), 4) for name, value in zip(names, sums[:5] / sums[5])}
            row["scale"] = round(model.clip.logit_scale.exp().item(), 2)
            sums[:] = 0
            if step % 500 == 0 or progress >= 1:
                row["caption_of_20"], row["picture_of_50"] = measure(*embed(model.eval(), check), check)
                model.train()
                saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
                torch.save(saved | {"step": step, "progress": progress, "minutes": spent}, out / "interrupted.pt")
            print(json.dumps(row), flush=True)
            print(json.dumps(row), file=curve, flush=True)
    export(model, vocabulary, out)
    (out / "interrupted.pt").unlink(missing_ok=True)


def export(model, vocabulary, out):
    """The checkpoint, with the full vocabulary. Embeddings are rounded to what f16 holds; words never seen are 0."""
    state = {name: tensor.detach().clone().contiguous() for name, tensor in model.clip.state_dict().items()}
    rows = torch.zeros(TEXT["vocab_size"], TEXT["width"])
    rows[torch.from_numpy(vocabulary).long()] = state["token_embedding.weight"].half().float()
    state["token_embedding.weight"] = rows
    state = {name: tensor for name, tensor in state.items() if name != "attn_mask"}
    save_file(state, out / "open_clip_model.safetensors")
    config = {
        "model_cfg": {"embed_dim": EMBED, "vision_cfg": VISION, "text_cfg": TEXT},
        "preprocess_cfg": {
            "size": [VISION["image_size"]] * 2,
            "mode": "RGB",
            "mean": [MEAN] * 3,
            "std": [STD] * 3,
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }
    (out / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    load(out)


def load(folder):
    """The checkpoint as open_clip reads it."""
    config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    clip = CLIP(config["embed_dim"], CLIPVisionCfg(**config["vision_cfg"]), CLIPTextCfg(**config["text_cfg"]))
    clip.load_state_dict(load_file(folder / "open_clip_model.safetensors"), strict=True)
    return clip.eval()


@torch.no_grad()
def measure_checkpoint(folder, scenes):
    clip, scenes = load(pathlib.Path(folder)), Scenes(scenes)
    images, texts = [], []
    for start in range(0, len(scenes.facts), 250):
        part = np.arange(start, min(start + 250, len(scenes.facts)))
        images.append(clip.encode_image(scenes.pixels(part), normalize=True))
        texts.append(clip.encode_text(torch.from_numpy(scenes.tokens[part, 0]).long(), normalize=True))
    images, texts = torch.cat(images), torch.cat(texts)
    all_of = measure(images, texts, scenes)
    print(f"right caption of 20: {all_of[0]:.4f}   right picture of 50: {all_of[1]:.4f}   scenes: {len(images)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("check")
    parser.add_argument("out")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="anneal faster, to end after this time")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--measure", action="store_true", help="only measure OUT on the scenes of CHECK")
    args = parser.parse_args()
    if args.measure:
        measure_checkpoint(args.out, args.check)
    else:
        train(args)


if __name__ == "__main__":
    main()

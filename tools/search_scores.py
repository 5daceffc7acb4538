#!/usr/bin/env python3
"""Measures scores of searches on drawn scenes: the tables of docs/search.md.

    cargo build --release --example draw-scenes && cargo build --release
    python tools/search_scores.py            # needs NumPy and Pillow; about a minute

A sentence fits a scene if it could be its caption; scenes of which it is true as a poor description only count as neither.
`tools/testkit/src/scenes/claim.rs` defines both.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
COMMAND, DRAW = (ROOT / "target/release" / name for name in ("clippie-rs", "examples/draw-scenes"))
SCENES, QUERIES = 4000, 600
SCALE = 73.0  # of the demo model

OTHERS = """a dog on a beach|a cat sleeping on a sofa|my grandmother's birthday cake|a car in front of a house
people dancing at a wedding|a receipt from a restaurant|snow on a mountain|an airplane in the sky
a child riding a bicycle|a screenshot of a chat|the eiffel tower at night|a plate of spaghetti
a document with a signature|a sunset over the sea|a horse in a field|concert crowd with lights
a baby with a teddy bear|a bottle of wine and two glasses|a train at the station|fireworks over a lake
an old black and white portrait|a cup of coffee and a laptop|a whiteboard full of equations
sailing boats in a harbour|a man with a red hat|a green tractor|a selfie in the mirror|christmas tree
forest path in autumn|a football match""".replace("\n", "|").split("|")


def background():
    """The sentences that the library measures scores against."""
    source = (ROOT / "src/library/score.rs").read_text()
    return re.findall(r'^    "(.*)",$', source[source.index("BACKGROUND: [") :].split("];")[0], re.M)


def scenes(folder, seed, count):
    subprocess.run([DRAW, "--seed", str(seed), "--count", str(count), "--size", "128", folder], check=True,
                   stdout=subprocess.DEVNULL)
    lines = [json.loads(line) for line in (folder / "captions.jsonl").read_text().splitlines()]
    return np.load(folder / "images.npy"), lines


def encoded(folder, *inputs):
    out = folder / "rows.npy"
    subprocess.run([COMMAND, "encode", "-q", "-m", "demo", *inputs, "--format", "npy", "-o", out], check=True)
    return np.load(out).astype(np.float64)


def photos(folder, images):
    files = folder / "photos"
    files.mkdir()
    for number, pixels in enumerate(images):
        Image.fromarray(pixels).save(files / f"{number:05}.png")
    return encoded(folder, files)


def texts(folder, sentences):
    (folder / "texts").write_text("".join(sentence + "\n" for sentence in sentences))
    return encoded(folder, "--texts-from", folder / "texts")


def silent_or(claim, fact):
    return claim in (-1, fact)


def described(claim, fact):
    return all(silent_or(c, f) for c, f in zip(claim, fact))


def could_be_caption(query, facts):
    swapped = facts[:2] + facts[5:8] + facts[2:5] + facts[8:]
    return described(query["claim"], facts) or query["either"] and described(query["claim"], swapped)


def might_hold(query, facts):
    claim = query["claim"]
    if not described(claim[11:], facts[11:]):
        return False
    kinds, first, second = (claim[0], facts[0]), facts[2:5], facts[5:8]
    match kinds:
        case (-1, _):
            return True
        case (0, 0):
            return described(claim[2:5], first) and described(claim[9:11], facts[9:11])
        case (0, 1):
            return described(claim[2:4], facts[2:4])
        case (0, 2):
            return described(claim[2:5], first) or described(claim[2:5], second)
        case (1, 1):
            return described(claim[1:4], facts[1:4])
        case (1, 2):
            return silent_or(claim[1], 2) and described(claim[2:4], first[:2]) and described(claim[2:4], second[:2])
        case (2, 2):
            ordered = described(claim[2:8], facts[2:8]) and silent_or(claim[8], facts[8])
            swapped = query["either"] and described(claim[2:8], second + first)
            return ordered or swapped
    return False


def highest(values, share=0.01):
    values = np.sort(values, axis=None)
    return values[-max(1, round(values.size * share)) :].mean()


class Library:
    """Some of the scenes, and what a score makes of all queries."""

    def __init__(self, data, size, seed):
        chosen = np.random.default_rng(seed).choice(SCENES, size, replace=False)
        rows = data.images[chosen]
        self.cosines, self.others = data.queries @ rows.T, data.others @ rows.T
        self.background = data.background @ rows.T
        self.fits, self.holds = data.fits[:, chosen], data.holds[:, chosen]
        self.some, self.none = self.fits.any(1), ~self.holds.any(1)

    def judge(self, scores, others, threshold):
        kept = scores >= threshold
        right = (kept & self.fits)[self.some].sum()
        wrong = (kept & ~self.holds)[self.some].sum()
        return np.array([right / self.fits[self.some].sum(), right / max(right + wrong, 1),
                         (~kept[self.none].any(1)).mean(), (~(others >= threshold).any(1)).mean()])

    def threshold(self, scores, recall):
        return np.quantile(scores[self.some][self.fits[self.some]], 1 - recall)

    def lifted(self, share):
        median = np.median(self.background)
        unit = highest(self.background) - median
        high = lambda cosines: np.quantile(cosines, 0.9, axis=1, keepdims=True)
        return [(c + share * (high(c) - median) - median) / unit for c in (self.cosines, self.others)]


def candidates(library):
    b = library.background
    mean, deviation, exponent = b.mean(0), b.std(0), np.log(np.exp(SCALE * b).sum(0))
    z = lambda c: (c - c.mean(1, keepdims=True)) / c.std(1, keepdims=True)
    return {
        "cosine": lambda c: c,
        "z-score over the library, for the query": z,
        "z-score over the sentences, for the photo": lambda c: (c - mean) / deviation,
        "both": lambda c: z(c - mean),
        "softmax against the sentences, with the model's scale": lambda c: SCALE * c - exponent,
        "cosine minus the best of the sentences": lambda c: c - b.max(0),
        "distance to the best cosine of the query": lambda c: c - c.max(1, keepdims=True),
    }


def percent(values):
    return " | ".join(f"{value * 100:.0f} %" for value in values)


class Data:
    pass


def main():
    data = Data()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        images, lines = scenes(folder / "scenes", 777, SCENES)
        _, asked = scenes(folder / "asked", 778, QUERIES)
        asked = [caption for line in asked for caption in line["captions"][:2]]
        data.images = photos(folder, images)
        data.queries = texts(folder, [query["text"] for query in asked])
        data.others = texts(folder, OTHERS)
        data.background = texts(folder, background())
    facts = [line["facts"] for line in lines]
    data.fits = np.array([[could_be_caption(query, fact) for fact in facts] for query in asked])
    data.holds = np.array([[might_hold(query, fact) for fact in facts] for query in asked])
    assert not (data.fits & ~data.holds).any()
    print(f"{len(asked)} sentences, {len(OTHERS)} others, {len(data.background)} of the background")

    print("\n| score | precision | nothing, of the domain | nothing, others |\n|---|---|---|---|")
    library = Library(data, 1000, 1)
    for name, score in candidates(library).items():
        scores = score(library.cosines)
        judged = library.judge(scores, score(library.others), library.threshold(scores, 0.95))
        print(f"| {name} | {percent(judged[1:])} |")

    print("\n| scenes | share | threshold | precision | nothing, of the domain | others |\n|---|---|---|---|---|---|")
    for size in (100, 200, 400, 1000):
        libraries = [Library(data, size, seed) for seed in range(6)]
        for share in (0, 0.1, 0.2, 0.3):
            lifted = [library.lifted(share) for library in libraries]
            for threshold in np.arange(1.3, 0.6, -0.01):
                judged = np.mean([l.judge(*s, threshold) for l, s in zip(libraries, lifted)], axis=0)
                if judged[0] >= 0.96:
                    break
            print(f"| {size} | {share} | {threshold:.2f} | {percent(judged[1:])} |")

    libraries = [Library(data, 200, seed) for seed in range(24)]
    print("\nover 24 libraries of 200: mean and standard deviation")
    for name, of in {
        "cosine that keeps 95 %": lambda l: l.threshold(l.cosines, 0.95),
        "mean of the highest hundredth": lambda l: highest(l.background),
        "99th percentile": lambda l: np.quantile(l.background, 0.99),
        "95th percentile": lambda l: np.quantile(l.background, 0.95),
    }.items():
        values = [of(library) for library in libraries]
        print(f"  {name}: {np.mean(values):.3f} {np.std(values):.4f}")

    print("\n| background | median | mean of the highest hundredth | 0.47 | 0.50 |\n|---|---|---|---|---|")
    for name, rows in {
        "all": data.background,
        "photos only": data.background[:64],
        "captions": data.queries,
        "coloured shapes": data.background[64:],
        "others": data.others,
    }.items():
        cosines = rows @ data.images.T
        median, high = np.median(cosines), highest(cosines)
        units = " | ".join(f"{(cosine - median) / (high - median):.2f}" for cosine in (0.47, 0.5))
        print(f"| {name} ({len(rows)}) | {median:.2f} | {high:.2f} | {units} |")


if __name__ == "__main__":
    sys.exit(main())

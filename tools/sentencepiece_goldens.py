"""Train small tokenizers of the kinds that published models use, and write the ids that `sentencepiece` and `tokenizers`
give to many texts.

    python tools/sentencepiece_goldens.py                           writes tests/goldens/sentencepiece
    python tools/sentencepiece_goldens.py --count 100000 --out DIR  writes DIR, for comparisons too large to keep
    python tools/sentencepiece_goldens.py --count 100000 --out DIR --gemma tokenizer.json
                                                                    also the ids of Gemma's own tokenizer

Needs sentencepiece 0.2.3, protobuf, tokenizers 0.23.3 and ftfy 6.3.1. The corpus is the captions and snippets of `tokenizer_goldens.py` and
this repository's documents, all written for it. The models hold sentencepiece's rule table `nmt_nfkc` (Apache-2.0).

For each KIND of `KINDS` there are KIND.model (SentencePiece) and KIND.json (tokenizers), compressed with gzip in the
repository. Each line of lines.jsonl is `[text, {KIND: [ids of sentencepiece, ids of tokenizers]}]`, without start and
end; the second list is null if it equals the first, renumbered as fairseq does in the models that do, and missing if
`tokenizers` finds a special token that the text spells out.
Special tokens that a text spells out are text in both: `tokenizers` is told so.
"""

import argparse
import base64
import gzip
import io
import json
import random
import re
import sys
from pathlib import Path

import ftfy.bad_codecs  # noqa: F401, the sloppy code pages of mojibake
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

import tokenizer_goldens

HERE = Path(__file__).resolve().parent.parent
SPACE = "\u2581"
LANGUAGES = ["eng_Latn", "deu_Latn", "jpn_Jpan", "zho_Hans"]
NEWLINES = ["\n" * n for n in range(1, 9)]
SPACES = [SPACE * n for n in range(2, 9)]
TAGS = ["<table>", "<b>", "</b>", "<h1>", "</h1>", "<start_of_turn>", "<unused0>"]

COMMON = dict(character_coverage=0.9985, num_threads=1, input_sentence_size=0, shuffle_input_sentence=False,
              hard_vocab_limit=False, max_sentence_length=1 << 20, minloglevel=2)
# As T5's, XLM-RoBERTa's, Gemma's and NLLB's models were trained.
KINDS = {
    "t5": dict(model_type="unigram", vocab_size=1800, pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
               user_defined_symbols=[":-)", "<3"]),
    "xlmr": dict(model_type="unigram", vocab_size=2600),
    "gemma": dict(model_type="bpe", vocab_size=2600, byte_fallback=True, add_dummy_prefix=False,
                  remove_extra_whitespaces=False, split_digits=True, normalization_rule_name="identity", pad_id=0,
                  eos_id=1, bos_id=2, unk_id=3, user_defined_symbols=TAGS + NEWLINES + SPACES,
                  allow_whitespace_only_pieces=True),
    "nllb": dict(model_type="bpe", vocab_size=2200),
}
SPECIAL = re.compile(r"<s>|</s>|<pad>|<unk>|<mask>|<bos>|<eos>|" + "|".join(LANGUAGES))


def corpus():
    """Return lines to train on."""
    rng = random.Random(7)
    base = tokenizer_goldens.CAPTIONS + tokenizer_goldens.SNIPPETS
    lines = base * 6
    for path in sorted(HERE.glob("docs/*.md")) + [HERE / "weights/README.md"]:
        lines += [line for line in path.read_text("utf-8").split("\n") if line.strip()]
    for _ in range(3000):
        words = rng.choice(base).split() + rng.choice(base).split()
        rng.shuffle(words)
        lines.append(" ".join(words))
    return [line.replace("\n", " ").replace("\0", "") for line in lines]


def train(kind, lines):
    """Return a model file."""
    out = io.BytesIO()
    options = COMMON | KINDS[kind]
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=out, **options)
    return out.getvalue()


def parts(model):
    """Return pieces, scores and charsmap of a model file."""
    from sentencepiece import sentencepiece_model_pb2 as pb
    proto = pb.ModelProto.FromString(model)
    return proto.pieces, proto.normalizer_spec.precompiled_charsmap


def merges_of(vocab, scores):
    """Return all splits of all pieces, by score, as the converter of `transformers` writes them."""
    merges = []
    for piece, score in scores.items():
        local = [(piece[:i], piece[i:], score) for i in range(1, len(piece)) if piece[:i] in vocab and piece[i:] in vocab]
        merges += sorted(local, key=lambda m: (vocab[m[0]], vocab[m[1]]))
    merges.sort(key=lambda m: (m[2], len(m[0]), len(m[1])), reverse=True)
    return [(left, right) for left, right, _ in merges]


def special(tokens):
    return [AddedToken(t, special=True, normalized=False) for t in tokens]


def template(tokenizer, before, after):
    names = [t for t in (before, after) if t]
    single = " ".join(t for t in (before, "$A", after) if t)
    return processors.TemplateProcessing(single=single, special_tokens=[(t, tokenizer.token_to_id(t)) for t in names])


def convert(kind, model):
    """Return the tokenizer of `tokenizers`, built as the published file of this kind is."""
    pieces, charsmap = parts(model)
    names = [(p.piece, p.score) for p in pieces]
    fairseq = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + names[3:]
    squeeze = lambda to: normalizers.Replace(Regex(" {2,}"), to)
    always = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")
    if kind == "t5":
        tokenizer = Tokenizer(models.Unigram(names, 2))
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Precompiled(charsmap), normalizers.Strip(left=False, right=True), squeeze(SPACE)])
        tokenizer.pre_tokenizer = always
        tokenizer.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
        tokenizer.add_special_tokens(special(["<pad>", "</s>", "<unk>"]))
        tokenizer.add_tokens([AddedToken(t, normalized=False) for t in KINDS[kind]["user_defined_symbols"]])
        tokenizer.post_processor = template(tokenizer, None, "</s>")
    elif kind == "xlmr":
        tokenizer = Tokenizer(models.Unigram(fairseq + [("<mask>", 0.0)], 3))
        tokenizer.normalizer = normalizers.Precompiled(charsmap)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), always])
        tokenizer.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
        tokenizer.add_special_tokens(special(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]))
        tokenizer.post_processor = template(tokenizer, "<s>", "</s>")
    elif kind == "gemma":
        vocab = {name: i for i, (name, _) in enumerate(names)}
        scores = {p.piece: p.score for p in pieces if p.type == 1}
        bpe = models.BPE(vocab, merges_of(vocab, scores), unk_token="<unk>", fuse_unk=True, byte_fallback=True)
        tokenizer = Tokenizer(bpe)
        tokenizer.normalizer = normalizers.Replace(" ", SPACE)
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
        tokenizer.add_special_tokens(special(["<pad>", "</s>", "<s>", "<unk>"]))
        tokenizer.add_tokens([AddedToken(t, normalized=False) for t in KINDS[kind]["user_defined_symbols"]])
        tokenizer.post_processor = template(tokenizer, "<s>", None)
    else:
        vocab = {name: i for i, (name, _) in enumerate(fairseq)}
        scores = {p.piece: p.score for p in pieces if p.type == 1}
        tokenizer = Tokenizer(models.BPE(vocab, merges_of(vocab, scores), unk_token="<unk>", fuse_unk=True))
        tokenizer.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap), squeeze(" ")])
        tokenizer.pre_tokenizer = always
        tokenizer.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
        tokenizer.add_special_tokens(special(["<s>", "<pad>", "</s>", "<unk>"] + LANGUAGES + ["<mask>"]))
        tokenizer.post_processor = template(tokenizer, "eng_Latn", "</s>")
    return tokenizer


class Maker(tokenizer_goldens.Maker):
    """Also generates what is special to these tokenizers."""

    def text(self):
        rng = self.rng
        kind = rng.randrange(24)
        if kind == 0:
            return "".join(rng.choice(["a", "aa", "ab", "b", "の", "é", "e\u0301", "-", "0", " "]) * rng.randint(1, 9)
                           for _ in range(rng.randint(1, 12)))
        if kind == 1:
            glue = ["", " ", "  ", "   ", SPACE, SPACE * 2, "\t", "\n", "\n\n\n", " \n ", "\xa0", "\u3000", "\u200b"]
            return "".join(rng.choice(glue) + self.piece(9) for _ in range(rng.randint(1, 6))) + rng.choice(glue)
        if kind == 2:
            names = TAGS + LANGUAGES + [":-)", "<3", "<0x41>", "<0xFF>", "<s>", "</s>", "<pad>", "<unk>", "<mask>", "<bos>",
                                        "：－）", "＜3", "<unused0", "start_of_turn>", SPACE + ":-)"]
            return "".join(rng.choice(names) + rng.choice(["", " ", "x", self.piece(6)]) for _ in range(rng.randint(1, 6)))
        if kind == 3:
            marks = ["\u0301", "\u0323", "\u200c", "\u200d", "\ufe0f", "\u0345", "\u093f", "\u3099", "\u1161", "\u20dd"]
            return "".join(rng.choice(self.line() or "x") + "".join(rng.choices(marks, k=rng.randint(0, 3)))
                           for _ in range(rng.randint(1, 16)))
        if kind == 4:
            return " " * rng.randint(0, 40) + self.piece(8) + " " * rng.randint(0, 40) + self.piece(8)
        if kind == 5:
            return self.line().lower()
        return super().text()


def ids_of(tokenizer, texts):
    return [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--count", type=int, default=1500)
    args.add_argument("--seed", type=int, default=20240229)
    args.add_argument("--out", type=Path, help="by default tests/goldens/sentencepiece")
    args.add_argument("--gemma", type=Path, help="Gemma's own tokenizer.json")
    args.add_argument("--longest", type=int, default=160, help="truncate longer texts")
    args = args.parse_args()
    kept = args.out is None
    out = args.out or HERE / "tests/goldens/sentencepiece"
    out.mkdir(parents=True, exist_ok=True)

    def write(name, data):
        if kept:
            # Without a time, equal contents are equal files.
            (out / (name + ".gz")).write_bytes(gzip.compress(data, 9, mtime=0))
        else:
            (out / name).write_bytes(data)

    lines = corpus()
    processors, others = {}, {}
    for kind in KINDS:
        model = train(kind, lines)
        tokenizer = convert(kind, model)
        write(f"{kind}.model", model)
        write(f"{kind}.json", tokenizer.to_str(pretty=False).encode())
        processors[kind] = sentencepiece.SentencePieceProcessor(model_proto=model)
        others[kind] = tokenizer
    # SigLIP 2 in `transformers` 5: Gemma's in lower case.
    lower = convert("gemma", train("gemma", lines))
    lower.normalizer = normalizers.Sequence([normalizers.Lowercase(), lower.normalizer])
    write("siglip2.json", lower.to_str(pretty=False).encode())
    others["siglip2"] = lower
    if args.gemma:
        others["gemma256k"] = Tokenizer.from_file(str(args.gemma))
        write("gemma256k.json", args.gemma.read_bytes())
    for tokenizer in others.values():
        tokenizer.encode_special_tokens = True

    maker = Maker(args.seed, [])
    texts, seen = [], set()
    while len(texts) < args.count:
        text = "".join(c for c in maker.text()[: args.longest] if not 0xD800 <= ord(c) <= 0xDFFF)
        if text not in seen:
            seen.add(text)
            texts.append(text)
    theirs = {kind: ids_of(tokenizer, texts) for kind, tokenizer in others.items()}
    rows = io.StringIO()
    differ = dict.fromkeys(theirs, 0)
    for i, text in enumerate(texts):
        row = {}
        for kind in theirs:
            own = processors[kind].encode(text) if kind in processors else None
            ids = theirs[kind][i]
            expected = own
            if own is not None and kind in ("xlmr", "nllb"):
                expected = [j + 1 if j > 0 else 3 for j in own]
            # Unigram models of `tokenizers` find the names of special tokens in a text, whatever they are told.
            if kind in ("t5", "xlmr") and SPECIAL.search(others[kind].normalizer.normalize_str(text)):
                row[kind] = [own]
                continue
            differ[kind] += ids != expected
            row[kind] = [own, None if ids == expected else ids]
        quoted = tokenizer_goldens.quoted(text)
        rows.write(f"[{quoted},{json.dumps(row, separators=(',', ':'))}]\n")
    write("lines.jsonl", rows.getvalue().encode())
    print(f"{len(texts)} lines; lists unlike sentencepiece's: {differ}", file=sys.stderr)


if __name__ == "__main__":
    main()

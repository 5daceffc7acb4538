#!/usr/bin/env python3
"""Writes the first seeds of the fuzz targets to fuzz/seeds, from the goldens of the tests. Standard library only.

    fuzz/make_seeds.py

Seeds that longer runs found are in the same folders; this script leaves them alone."""
import base64, gzip, hashlib, io, json, os, struct, tarfile, zipfile, zlib

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
goldens = os.path.join(root, "tests", "goldens")
MAX = 6000  # bytes of a seed; larger ones slow the fuzzer down


def seed(target, data, limit=MAX):
    if len(data) > limit:
        return
    folder = os.path.join(root, "fuzz", "seeds", target)
    os.makedirs(folder, exist_ok=True)
    name = hashlib.sha1(data).hexdigest()[:16]
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def files(folder, *endings):
    for path, _, names in sorted(os.walk(os.path.join(goldens, folder))):
        for name in sorted(names):
            if name.endswith(endings):
                with open(os.path.join(path, name), "rb") as file:
                    yield file.read()


def some(items, count):
    items = sorted(items, key=len)
    return items[:: max(1, len(items) // count)]


endings = {"jpeg": (".jpg", ".jpeg"), "png": (".png",), "webp": (".webp",), "gif": (".gif",), "bmp": (".bmp",),
           "tiff": (".tif", ".tiff"), "heic": (".heic",), "avif": (".avif",), "jxl": (".jxl",)}
for kind, ends in endings.items():
    found = some([data for data in files("preprocess", *ends) if len(data) <= MAX], 40)
    for data in found:
        seed(f"photo_{kind}", data)
    for data in some(found, 6):
        seed("photo_rows", data)


def exif(order, entries):
    e = "<" if order == b"II" else ">"
    head = order + struct.pack(e + "HI", 42, 8) + struct.pack(e + "H", len(entries))
    return head + b"".join(struct.pack(e + "HHII", *entry) for entry in entries) + bytes(4)


for order in (b"II", b"MM"):
    for value in range(9):
        seed("exif", exif(order, [(0x112, 3, 1, value << (16 if order == b"MM" else 0))]))
    seed("exif", exif(order, [(0x10f, 2, 20, 26), (0x112, 4, 1, 6), (0x8769, 4, 1, 26)]))

# The chunk iCCP of a PNG file: a name, a zero, the method, then zlib data.
for data in files("preprocess/icc", ".png"):
    at = data.find(b"iCCP")
    if at >= 0:
        chunk = data[at + 4:at + 4 + struct.unpack(">I", data[at - 4:at])[0]]
        seed("profile", zlib.decompress(chunk[chunk.index(b"\0") + 2:]))

with open(os.path.join(goldens, "preprocess", "metadata.json")) as file:
    for photo in json.load(file)["files"]:
        seed("metadata", bytes.fromhex(photo["data"]), 2000)

for data in files("import", ".pt"):
    seed("zip", data)
    if data[:2] == b"PK":
        import io
        archive = zipfile.ZipFile(io.BytesIO(data))
        pickle = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        seed("pickle", archive.read(pickle))
    else:
        seed("pickle", data[:MAX])
tensors = {"visual.proj": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
           "logit_scale": {"dtype": "F16", "shape": [], "data_offsets": [24, 26]}, "__metadata__": {"format": "pt"}}
header = json.dumps(tensors).encode()
seed("safetensors", struct.pack("<Q", len(header)) + header + bytes(26))
for data in files("import", ".safetensors"):
    length = struct.unpack("<Q", data[:8])[0]
    listed = {name: entry for name, entry in list(json.loads(data[8:8 + length]).items())[:6]}
    offset = 0
    for entry in listed.values():
        if "data_offsets" in entry:
            size = entry["data_offsets"][1] - entry["data_offsets"][0]
            entry["data_offsets"] = [offset, offset + size]
            offset += size
    header = json.dumps(listed).encode()
    seed("safetensors", struct.pack("<Q", len(header)) + header + bytes(offset))

for index, name in enumerate(["open_clip_config.json", "config.json", "preprocessor_config.json"]):
    for data in files("import", name):
        seed("config", bytes([index]) + data)
seed("config", b"\3" + json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}).encode())
seed("config", b"\4" + json.dumps({"eos_token": "<|endoftext|>", "bos_token": {"content": "<|startoftext|>"}}).encode())
steps = [{"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "}, {"type": "Lowercase"}]
around = {"type": "RobertaProcessing", "sep": ["<|endoftext|>", 49407], "cls": ["<|startoftext|>", 49406]}
model = {"type": "BPE", "end_of_word_suffix": "</w>", "vocab": {"!": 0, "\"": 1}, "merges": ["i n", ["t", "h"]]}
seed("config", b"\5" + json.dumps({"added_tokens": [{"id": 49407, "content": "<|endoftext|>"}], "post_processor": around,
                                   "normalizer": {"type": "Sequence", "normalizers": steps}, "model": model}).encode())
seed("config", b"\6" + json.dumps(model["vocab"]).encode())
seed("config", b"\7#version: 0.2\ni n\nt h\n")

for text in ["a photo of a cat", "na\u00efve caf\u00e9 \u4f60\u597d \U0001f600", "&amp;lt; it\u2019s 12,345", "\u00c3\u00a9t\u00c3\u00a9",
             "<|startoftext|> x <|endoftext|>", "\u0130\u017f\u1e9e\ufb01", " \t\n\u3000 "]:
    seed("tokenizer", text.encode())

def varint(number):
    out = b""
    while number > 0x7f:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def message(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def piece(text, score, kind=1):
    return message(1, message(1, text.encode()) + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kind]))


def units(rules):
    """Return a charsmap with rules for single ASCII characters."""
    texts = b"".join(to.encode() + b"\0" for to in rules.values())
    trie = [0] * 512
    trie[0] = 256 << 10
    at = 0
    for index, (byte, to) in enumerate(rules.items()):
        # The child for the byte, whose children begin at an offset that no other child has.
        trie[256 ^ ord(byte)] = ord(byte) | 1 << 8 | (256 ^ ord(byte) ^ (8 + index)) << 10
        trie[8 + index] = 0x80000000 | at
        at += len(to.encode()) + 1
    return struct.pack("<I", 4 * len(trie)) + struct.pack(f"<{len(trie)}I", *trie) + texts


space = "\u2581"
words = [piece("<unk>", 0, 2), piece("<s>", 0, 3), piece("</s>", 0, 3)]
words += [piece(text, -score) for score, text in enumerate([space, "a", "b", "ab", space + "a", "aa", space + "ab", "c"], 1)]
words += [piece("<b>", 0, 4), piece("abc", -2, 5)]
charsmap = units({"A": "a", "B": "bb", "\t": " "})
for kind, extra in ((1, b""), (2, b""), (2, b"\xa8\x02\1")):
    pieces = b"".join(words) + b"".join(piece(f"<0x{byte:02X}>", 0, 6) for byte in range(256) if extra)
    for normalizer in (message(2, charsmap), b"\x18\0\x20\0"):
        model = pieces + message(2, b"\x18" + bytes([kind]) + extra) + message(3, normalizer)
        seed("tokenizer_file", model + b"\xff" + "a AB  abc <b>\tcab d\u00e9 aaaaab".encode())
unigram = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], [space, -2.0], ["a", -3.0], [space + "a", -1.5], ["b", -4.0]]}
metaspace = {"type": "Metaspace", "replacement": space, "prepend_scheme": "always", "split": True}
pair = ["a", "b"]
bpe = {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": False, "merges": [pair, [space, "a"]],
       "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3, space: 4, space + "a": 5}}
added = [{"id": 0, "content": "<unk>", "special": True}, {"id": 9, "content": "<b>", "special": False}]
encoded = base64.b64encode(charsmap).decode()
for model, steps, splits in (
    (unigram, [{"type": "Precompiled", "precompiled_charsmap": encoded}, {"type": "Strip", "strip_left": False, "strip_right": True},
               {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": space}], metaspace),
    (unigram, [{"type": "Precompiled", "precompiled_charsmap": encoded}],
     {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]}),
    (bpe, [{"type": "Lowercase"}, {"type": "Replace", "pattern": {"String": " "}, "content": space}], None),
):
    file = {"version": "1.0", "added_tokens": added, "normalizer": {"type": "Sequence", "normalizers": steps},
            "pre_tokenizer": splits, "post_processor": None, "decoder": None, "model": model}
    seed("tokenizer_file", json.dumps(file).encode() + b"\xff" + "a AB  ab <b>\tcab d\u00e9 aaaaab".encode())

commit = "0123456789abcdef0123456789abcdef01234567"
for names in (["open_clip_model.safetensors", "open_clip_config.json"], ["model.safetensors", "config.json", "x/y.bin"]):
    seed("hub", json.dumps({"sha": commit, "siblings": [{"rfilename": name} for name in names],
                            "cardData": {"license": "mit"}}).encode())
for text in ["https://cdn.example/a/b?x=1#y", "/a/b", "//other.example/x", '"' + "a" * 64 + '"', "bytes 5-9/10",
             "hf-hub:a/b@refs/pr/1", "mobileclip2-s2"]:
    seed("hub", text.encode())

part = 'Content-Disposition: form-data; name="entries"\r\n\r\n{}\r\n--x'
for entries in ['{"clip":{"visual":{"modelName":"m"}}}', '{"clip":{"textual":{"modelName":"m","options":{"language":"de"}}}}',
                '{"facial-recognition":{"detection":{"modelName":"m","options":{"minScore":0.7}},"recognition":{"modelName":"m"}}}',
                '{"ocr":{"detection":{"modelName":"m"}},"clip":{"visual":{"modelName":"m"}}}']:
    seed("request", entries.encode())
    seed("request", ("--x\r\n" + part.format(entries) + "--\r\n").encode())
    seed("request", ("text=a+b%20c&entries=" + entries.replace('"', "%22")).encode())
for body in [{"input": ["a", "b"], "model": "m", "encoding_format": "base64", "dimensions": 5},
             {"input": "data:image/png;base64,YWJj", "modality": "image"}, {"input": [{"text": "a"}, {"image": "YWJj"}]},
             {"input": [{"prompt_string": "<m>", "multimodal_data": ["YWJj"]}]}, {"input": [[1, 2]]},
             {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,YQ=="}}]}]}]:
    seed("request", json.dumps(body).encode())

with open(os.path.join(root, "weights", "demo.clippie"), "rb") as file:
    demo = file.read()
length = struct.unpack("<I", demo[12:16])[0]
# The header alone: its tensors are missing, so most mutations end early; the fuzzer finds shorter ones.
seed("weights", demo[: 64 + length], 1 << 16)
meta = json.loads(demo[64 : 64 + length])
if os.path.exists(os.path.join(root, "fuzz", "seeds", "weights")):
    meta["tensors"] = meta["tensors"][:3]
    text = json.dumps(meta).encode()
    seed("weights", demo[:12] + struct.pack("<I", len(text)) + demo[16:64] + text + bytes(70_000), 1 << 17)
# A sound file of a matrix in quads and what lies beside it; no model has it alone, but verification reads it.
integers = bytes(n + k if n < 3 and k < 2 else 0 for n in range(16) for k in range(4))
of_columns = [struct.pack("<16f", *numbers, *[0.0] * 13) for numbers in ((1.0, 0.5, 0.25), (1.0, 3.0, 5.0))]
tensors, data = [], b""
for part, dtype, layout, shape, values in (("weight", "i8", "quads16", [2, 3], integers),
                                           ("scales", "f32", "panels16", [3], of_columns[0]),
                                           ("sums", "f32", "panels16", [3], of_columns[1]),
                                           ("gains", "f32", "rows", [2], struct.pack("<2f", 1.0, 2.0))):
    data += bytes(-len(data) % 64)
    tensors.append({"name": f"text.blocks.0.fc1.{part}", "tower": "text", "dtype": dtype, "layout": layout, "shape": shape,
                    "offset": len(data), "bytes": len(values), "sha256": hashlib.sha256(values).hexdigest()})
    data += values
text = json.dumps({**meta, "tensors": tensors}).encode()
start = -(-(64 + len(text)) // 65536) * 65536
sealed = demo[:12] + struct.pack("<IQQ", len(text), start + len(data), 0)
head = sealed + hashlib.sha256(sealed + text).digest() + text
seed("weights", head + bytes(start - len(head)) + data, 1 << 17)
for target, size in (("tiff_structure", 600), ("pickle_structure", 600)):
    for number in range(8):
        data = b"".join(hashlib.sha256(bytes([number, i])).digest() for i in range(size // 32))
        seed(target, data)

# Files of text embeddings and of vectors: under fuzzing, checksums are not compared and those of vectors are zeros.
PRINT = b"00112233445566778899aabbccddeeff"


def texts(*entries):
    body = b"CLIPTEXT" + struct.pack("<IQ", 1, len(entries))
    for text, values in entries:
        text = text.encode()
        body += PRINT + struct.pack("<II", len(text), len(values)) + text + struct.pack(f"<{len(values)}f", *values)
    return body + hashlib.sha256(body).digest()


for entries in [(), (("a star", [1.0, -0.5]),), (("", []), ("\u00e9\0\n", [0.25] * 9), ("a star", [3e38]))]:
    seed("text_cache", texts(*entries))


def packed(rows, dim, tag_len, fingerprint=b"0011"):
    align = lambda data: data + bytes(-len(data) % 64)
    blocks = -(-rows // 1024)
    header = -(-(88 + len(fingerprint) + 8) // 64) * 64
    body = b""
    for elements, each in [(rows, 4 * dim), (rows, -(-dim // 64) * 64), (rows, 4), (rows, 4), (rows, 8), (rows, 8),
                           (rows, tag_len), (blocks, 8), (blocks, 8), (dim, 4)]:
        body = align(body) + bytes(elements * each)
    head = b"clipscan" + struct.pack("<IIQQIIII", 1, header, header + len(body), rows, dim, tag_len, len(fingerprint), 1024)
    head += bytes(range(32)) + bytes(8) + fingerprint
    return head + bytes(header - len(head)) + body


for shape in [(0, 1, 0), (1, 3, 0), (5, 7, 2), (3, 64, 0)]:
    seed("packed", packed(*shape))


tables = os.path.join(goldens, "tables")
for name in sorted(os.listdir(tables)):
    seed("table", open(os.path.join(tables, name), "rb").read())


for form in [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=form) as out:
        for name, kind in [("a.jpg", tarfile.REGTYPE), ("d", tarfile.DIRTYPE), ("l.jpg", tarfile.SYMTYPE),
                           ("d" * 90 + "/" + "e" * 60 + ".png", tarfile.REGTYPE), ("a.txt", tarfile.REGTYPE)]:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.linkname = kind, 4 if kind == tarfile.REGTYPE else 0, "a.jpg"
            out.addfile(entry, io.BytesIO(b"data"))
    # Without the zeros that fill the last record.
    seed("tar", archive.getvalue()[:archive.getvalue().rindex(b"data") + 512 + 1020], 10000)


def dataset(kind, first, second=b""):
    seed("dataset", struct.pack("<BH", kind, len(first)) + first + second)


def idx(*sizes):
    count = 1
    for size in sizes:
        count *= size
    return struct.pack(f">HBB{len(sizes)}I", 0, 8, len(sizes), *sizes) + bytes(at % 10 for at in range(count))


record = bytes([3]) + bytes(at % 251 for at in range(3072))
for names in [b"", b"cat\ndog\n\nship\nfrog\n"]:
    dataset(0, names, record)
    dataset(0x84, names, record)
dataset(0, b"", record[:-1])
dataset(1, idx(3), idx(3, 4, 5))
dataset(1, idx(2), idx(3, 4, 5))
dataset(2, gzip.compress(idx(3), mtime=0), gzip.compress(idx(3, 4, 5), mtime=0))
for text in [b"path,caption\na.jpg,a star\na.jpg,\"a, b\nc\"\n", b"\xef\xbb\xbfcaption,path,x\r\na,b,c\r\n", b"path,caption\na.jpg\n"]:
    seed("dataset", struct.pack("<BH", 3, 0) + text)

for words in ["a dog on a beach", "a dog\n+\n0.5:./beach.jpg\n-\npeople", "2:text", "+", "-\na", "/x.jpg", "1e9:a", "0:a", "nan:a",
              "-1:a", ":", "a:b", "3:", "+\n+", "..\\a\n-\n../b", ""]:
    seed("query", words.encode())

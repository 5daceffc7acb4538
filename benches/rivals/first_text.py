"""Encode one text with ONNX Runtime in a new Python process; startup.py times it.

As light as it gets: of the tokenizer's libraries `tokenizers` is the one that loads fastest (open_clip's and
transformers' take seconds to import).

    python first_text.py TOKENIZER.json GRAPH.onnx TEXT
"""

import json
import sys

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

CONTEXT = 77

tokenizer, graph, text = sys.argv[1:]
ids = Tokenizer.from_file(tokenizer).encode(text).ids
padded = np.zeros((1, CONTEXT), np.int64)
padded[0, : len(ids)] = ids
session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
embedding = session.run(None, {"x": padded})[0][0]
embedding /= np.linalg.norm(embedding)
print(json.dumps({"text": text, "embedding": embedding.tolist()}))

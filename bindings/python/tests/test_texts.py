"""Texts, token ids and comparison."""

import numpy
import pytest

import clippie_rs
from clippie_rs import errors

TEXTS = ["a white square below a red star", "two blue circles", "", "日本語 😀"]


def test_all_sequences_give_the_same_bits(clip):
    expected = clip.encode_texts(TEXTS)
    assert expected.shape == (4, clip.embed_dim) and expected.dtype == numpy.float32
    assert expected.flags.c_contiguous and not expected.flags.owndata
    for texts in (tuple(TEXTS), iter(TEXTS), numpy.array(TEXTS), numpy.array(TEXTS, dtype=object)):
        assert clip.encode_texts(texts).tobytes() == expected.tobytes()
    for text, row in zip(TEXTS, expected):
        assert clip.encode_texts(text).tobytes() == row.tobytes()
    assert clip.encode_texts([]).shape == (0, clip.embed_dim)


def test_rows_are_those_of_the_command(clip, command, tmp_path):
    texts = [argument for text in TEXTS[:2] for argument in ("--text", text)]
    expected = command(tmp_path / "rows.npy", "-m", "demo", *texts)
    assert clip.encode_texts(TEXTS[:2]).tobytes() == expected.tobytes()


def test_texts_that_fail():
    clip = clippie_rs.Clip.demo(refuse_long_texts=True)
    texts = ["fine", "word " * 200, 7, "\ud800"]
    with pytest.raises(errors.TextError, match="^text 1: ") as caught:
        clip.encode_texts(texts[:2])
    assert caught.value.index == 1
    with pytest.raises(ValueError) as caught:
        clip.encode_texts(texts[1])
    assert caught.value.index is None and not str(caught.value).startswith("text 0")
    rows, failed = clip.text.encode_each(texts)
    assert {index: type(error).__name__ for index, error in failed.items()} == {1: "TextError", 2: "TypeError", 3: "TextError"}
    assert rows[0].tobytes() == clip.encode_texts("fine").tobytes() and not rows[1:].any()
    for texts, message in ((None, "neither a string nor iterable"), ([b"x"], "text 0: expected a string, found bytes")):
        with pytest.raises(TypeError, match=message):
            clip.encode_texts(texts)
    assert clippie_rs.Clip.demo().encode_texts(["word " * 200]).any()


def test_token_ids(clip):
    ids = clip.tokenize(["a red star", "x" * 1000])
    assert ids[0][0] == 49406 and ids[0][-1] == 49407 and len(ids[0]) == 5
    assert len(ids[1]) == clip.context_length
    assert clip.tokenize("a red star") == ids[:1] == clip.text.tokenize(["a red star"])


def test_similarity_and_probabilities(clip, drawings):
    images, words = clip.encode_images(drawings[:3]), clip.encode_texts(TEXTS[:2])
    cosines = clippie_rs.similarity(images, words)
    assert numpy.allclose(cosines, images @ words.T, atol=1e-6) and cosines.shape == (3, 2)
    assert clippie_rs.similarity(images[0], words).shape == (1, 2)
    assert clippie_rs.similarity(images.tolist(), words).tobytes() == cosines.tobytes()
    chances = clip.probabilities(images, words)
    assert chances.shape == (3, 2) and numpy.allclose(chances.sum(axis=1), 1)
    assert clip.probability(0.3) is None and clip.logit_bias is None and clip.logit_scale > 1
    # In blocks, and in any order in memory.
    many = numpy.random.default_rng(1).standard_normal((700, 900), numpy.float32)
    others = numpy.random.default_rng(2).standard_normal((900, 3000), numpy.float32).T
    some = clippie_rs.similarity(many[-1], others)
    assert clippie_rs.similarity(many, others)[-1].tobytes() == some.tobytes()
    few, wide = many[:3, :8], numpy.random.default_rng(3).standard_normal((300_000, 8), numpy.float32)
    across = clippie_rs.similarity(few, wide)
    assert across.shape == (3, 300_000)
    for place in (0, 131_000, 131_071, 131_072, 262_143, 262_144, 299_999):
        assert across[:, place].tobytes() == clippie_rs.similarity(few, wide[place])[:, 0].tobytes()
    assert abs(clip.probabilities(clip.encode_images(drawings[0]), wide.reshape(-1, 64)).sum() - 1) < 1e-3
    assert abs(clippie_rs.similarity(many[0] * 1e30, many[0] * 1e-30) - 1) < 1e-6
    with pytest.raises(errors.OptionError, match="embeddings of 64 and 3 values"):
        clippie_rs.similarity(images, [1, 2, 3])
    with pytest.raises(ValueError, match=r"has the shape \(1, 1, 1\)"):
        clippie_rs.similarity(images, [[[1]]])

"""Images in all forms, and those that cannot be read."""

import io
import pathlib
import pickle

import numpy
import PIL.Image
import pytest

import clippie_rs
from clippie_rs import errors


def test_the_ranking_of_the_drawings(clip, drawings):
    rows = clip.encode_images(drawings)
    words = clip.encode_texts("a white square below a red star")
    cosines = clippie_rs.similarity(words, rows)[0]
    assert pathlib.Path(drawings[cosines.argmax()]).name == "05.png"
    assert f"{cosines.max():.4f}" == "0.5854"


def test_rows_are_arrays_without_a_copy(clip, drawings):
    rows = clip.encode_images(drawings)
    assert rows.dtype == numpy.float32 and rows.shape == (len(drawings), clip.embed_dim)
    assert rows.flags.c_contiguous and rows.flags.writeable and not rows.flags.owndata
    assert numpy.allclose(numpy.linalg.norm(rows, axis=1), 1)
    assert clip.encode_images([]).shape == (0, clip.embed_dim)
    assert clip.encode_images(iter([])).shape == (0, clip.embed_dim)


def test_rows_are_those_of_the_command(clip, drawings, photos, command, tmp_path):
    expected = command(tmp_path / "rows.npy", "-m", "demo", *drawings, *photos)
    assert clip.encode_images(drawings + photos).tobytes() == expected.tobytes()


def forms(path):
    data = pathlib.Path(path).read_bytes()
    pixels = numpy.asarray(PIL.Image.open(path).convert("RGB"))
    padded = numpy.zeros((pixels.shape[0], pixels.shape[1] + 3, 3), numpy.uint8)
    padded[:, :-3] = pixels
    return {
        "str": path,
        "path": pathlib.Path(path),
        "bytes": data,
        "bytearray": bytearray(data),
        "memoryview": memoryview(data),
        "pillow": PIL.Image.open(path),
        "array": pixels,
        "strides": padded[:, :-3],
        "read-only": numpy.frombuffer(pixels.tobytes(), numpy.uint8).reshape(pixels.shape),
        "mirrored twice": pixels[:, ::-1][:, ::-1],
    }


def test_all_forms_of_an_image_have_the_same_bits(clip, drawings):
    expected = clip.encode_images([drawings[3]])
    for name, image in forms(drawings[3]).items():
        assert clip.encode_images([image]).tobytes() == expected.tobytes(), name
    # Pillow reads a file of Pillow's lazily, so each needs its own.
    for name, image in forms(drawings[3]).items():
        single = clip.encode_images(image)
        assert (single.shape, single.tobytes()) == (expected.shape, expected.tobytes()), name


def test_all_sequences_give_the_same_bits(clip, drawings):
    expected = clip.encode_images(drawings).tobytes()
    mixed = [list(forms(path).values())[index % 10] for index, path in enumerate(drawings)]
    stack = numpy.stack([numpy.asarray(PIL.Image.open(path).convert("RGB")) for path in drawings])
    sequences = {
        "tuple": tuple(drawings),
        "generator": (path for path in drawings),
        "array of strings": numpy.array(drawings),
        "array of objects": numpy.array(drawings, dtype=object),
        "mixture": mixed,
        "generator of bytes": (pathlib.Path(path).read_bytes() for path in drawings),
        "stack": stack,
        "keys": dict.fromkeys(drawings).keys(),
    }
    for name, sequence in sequences.items():
        assert clip.encode_images(sequence).tobytes() == expected, name


def test_batches_of_an_iterator_keep_order_and_indices(drawings, broken):
    # Batches of an iterator are eight passes of a thread.
    clip = clippie_rs.Clip.demo(threads=1, batch_size=1)
    many = (drawings * 2)[:50]
    many[29] = broken
    expected = clip.encode_images(many, on_error="zero")
    rows, failed = clip.image.encode_each(path for path in many)
    assert rows.tobytes() == expected.tobytes() and list(failed) == [29] and failed[29].index == 29
    with pytest.raises(ValueError, match="broken.jpg") as caught:
        clip.encode_images(path for path in many)
    assert caught.value.index == 29
    read = open(broken, "rb").read()
    with pytest.raises(errors.ImageError, match="^image 29 is not in a readable image format") as caught:
        clip.encode_images(read if path == broken else path for path in many)
    assert caught.value.index == 29


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_orientation_is_that_of_the_file(drawings, tmp_path, orientation):
    image = PIL.Image.open(drawings[5]).convert("RGB")
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "turned.png", exif=exif)
    for orient in (True, False):
        clip = clippie_rs.Clip.demo(orient=orient)
        expected = clip.encode_images(tmp_path / "turned.png")
        assert clip.encode_images(PIL.Image.open(tmp_path / "turned.png")).tobytes() == expected.tobytes()
        assert (expected.tobytes() == clip.encode_images(image).tobytes()) == (orientation == 1 or not orient)


def test_an_image_that_fails(clip, drawings, broken):
    images = [drawings[0], "missing.png", drawings[1], broken, b"bytes", None, 7]
    with pytest.raises(FileNotFoundError, match="missing.png") as caught:
        clip.encode_images(images[:5])
    error = caught.value
    assert isinstance(error, clippie_rs.Error) and isinstance(error, errors.MissingFileError)
    assert (error.index, error.path, error.filename, error.errno) == (1, "missing.png", "missing.png", 2)

    rows = clip.encode_images(images, on_error="zero")
    expected = clip.encode_images(drawings[:2])
    assert rows[[0, 2]].tobytes() == expected.tobytes() and not rows[[1, 3, 4, 5, 6]].any()
    some = clip.encode_images(images, on_error="none")
    assert [row is None for row in some] == [False, True, False, True, True, True, True]
    assert some[0].tobytes() == expected[0].tobytes() and some[2].tobytes() == expected[1].tobytes()
    rows, failed = clip.image.encode_each(images)
    kinds = {index: type(error).__name__ for index, error in failed.items()}
    assert kinds == {1: "MissingFileError", 3: "ImageError", 4: "ImageError", 5: "TypeError", 6: "TypeError"}
    assert all(error.index == index for index, error in failed.items() if index < 5)
    with pytest.raises(ValueError, match='on_error is "skip"; give "raise", "none" or "zero"'):
        clip.encode_images(drawings, on_error="skip")


def test_a_single_image_that_fails_has_no_index(clip):
    with pytest.raises(errors.ImageError, match="^the image is not in a readable image format") as caught:
        clip.encode_images(b"no image")
    assert caught.value.index is None
    with pytest.raises(IsADirectoryError):
        clip.encode_images("/")


def test_wrong_types_are_named(clip):
    cases = {
        "images: None is neither an image nor iterable": None,
        "images: an object of type int is neither": 7,
        "images: a mapping has no order": {"a": 1},
        "image 0: an object of type float is no image": [1.5],
    }
    for message, images in cases.items():
        with pytest.raises(TypeError, match=message):
            clip.encode_images(images)
    with pytest.raises(TypeError, match=r"found float32 \[4, 4, 3\]"):
        clip.encode_images(numpy.zeros((4, 4, 3), numpy.float32))
    shapes = {(4, 4): "repeat the grey", (4, 4, 4): r"image\[..., :3\]", (3, 4, 4): "numpy.moveaxis", (0, 4, 3): "0"}
    for shape, remedy in shapes.items():
        with pytest.raises(ValueError, match=remedy):
            clip.encode_images(numpy.zeros(shape, numpy.uint8))


def test_exceptions_of_the_caller_reach_the_caller(clip, drawings):
    def images():
        yield drawings[0]
        raise LookupError("of the caller")

    with pytest.raises(LookupError, match="of the caller"):
        clip.encode_images(images())

    class Exits(PIL.Image.Image):
        def convert(self, *_):
            raise SystemExit(3)

    with pytest.raises(SystemExit):
        clip.encode_images([Exits()], on_error="none")


def test_truncated_images_of_pillow_are_images_that_fail(clip, drawings):
    data = pathlib.Path(drawings[0]).read_bytes()
    image = PIL.Image.open(io.BytesIO(data[: len(data) // 2]))
    with pytest.raises(errors.ImageError, match="image 1: Pillow: ") as caught:
        clip.encode_images([drawings[0], image])
    assert caught.value.index == 1 and isinstance(caught.value.__cause__, Exception)


def test_pixels_for_the_tower(clip, drawings, broken):
    pixels = clip.preprocess(drawings[:3])
    size = clip.image_size
    assert pixels.shape == (3, 3, size, size) and pixels.dtype == numpy.float32 and pixels.flags.c_contiguous
    assert clip.image.preprocess(drawings[1])[0].tobytes() == pixels[1].tobytes()
    for images, match in (([drawings[0], broken], "broken.jpg"), ([drawings[0], b"x"], "^image 1: ")):
        with pytest.raises(errors.ImageError, match=match) as caught:
            clip.preprocess(images)
        assert caught.value.index == 1


def test_exceptions_are_pickled():
    error = errors.MissingFileError("a sentence", 3, "photo.jpg")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.index, again.path, again.errno) == (type(error), "a sentence", 3, "photo.jpg", 2)

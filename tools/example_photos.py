"""Write examples/photos/*.jpg from the freely licensed photos of scikit-image and scikit-learn.

    python tools/example_photos.py

Then run tools/preprocess_files.py, which writes the reference results for them. Sources, authors and licences are in
examples/photos/README.md.
"""

import pathlib

import skimage
import sklearn
from PIL import Image

OUT = pathlib.Path(__file__).resolve().parent.parent / "examples" / "photos"
SKIMAGE = pathlib.Path(skimage.__file__).parent / "data"
SKLEARN = pathlib.Path(sklearn.__file__).parent / "datasets" / "images"
LONGEST = 640

PHOTOS = {
    "astronaut": SKIMAGE / "astronaut.png",
    "camera": SKIMAGE / "camera.png",
    "cat": SKIMAGE / "chelsea.png",
    "coffee": SKIMAGE / "coffee.png",
    "flower": SKLEARN / "flower.jpg",
    "galaxies": SKIMAGE / "hubble_deep_field.jpg",
    "rocket": SKIMAGE / "rocket.jpg",
    "temple": SKLEARN / "china.jpg",
}

for name, source in PHOTOS.items():
    image = Image.open(source)
    image = image.convert("L" if image.mode in ("L", "1") else "RGB")
    if max(image.size) > LONGEST:
        scale = LONGEST / max(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.LANCZOS)
    options = {}
    if name == "coffee":
        # Stored rotated, as a camera held upright does.
        image = image.transpose(Image.Transpose.ROTATE_90)
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = 6
    image.save(OUT / f"{name}.jpg", quality=88, **options)
    print(name, image.size, (OUT / f"{name}.jpg").stat().st_size)

"""Makes the photos that the image servers are measured with: photos.py WALLPAPERS DIRECTORY. Runs with the Pillow of the benchmarks.

Eight of each kind, cut out at different places, so that no two connections ask for the same bytes.
"""

import sys
from pathlib import Path

from PIL import Image, ImageChops

COUNT = 8
Image.MAX_IMAGE_PIXELS = None


def main():
    wallpapers, directory = Path(sys.argv[1]), Path(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    textured = find(wallpapers, "Elephants_5640x3172.jpg", (5640, 3172))
    smooth = find(wallpapers, "Kleiber_by_Lukas_Baubkus.jpg", (6028, 3391))
    # No package has a photo of 24 megapixels, so this one is enlarged.
    large = textured.resize((7332, 4124), Image.LANCZOS)
    for number in range(COUNT):
        cut(textured, number, (4000, 3000)).save(directory / f"12mp-{number}.jpg", quality=90)
        cut(large, number, (6000, 4000)).save(directory / f"24mp-{number}.jpg", quality=90)
        cut(smooth, number, (4000, 3000)).save(directory / f"12mp-{number}.webp", quality=85)
        translucent(cut(smooth, number, (4800, 3390)).resize((2400, 1700), Image.LANCZOS)).save(directory / f"4mp-{number}.png")


def find(wallpapers, name, size):
    """A wallpaper, or a generated picture in its size."""
    found = next(wallpapers.rglob(name), None)
    return Image.open(found).convert("RGB") if found else generated(size)


def generated(size):
    """Noise of all scales in three channels: as much detail as a textured photo."""
    channels = []
    for _ in range(3):
        channel = Image.new("L", size, 128)
        for octave in (2, 4, 8, 32, 128):
            noise = Image.effect_noise((size[0] // octave + 1, size[1] // octave + 1), 40)
            channel = ImageChops.blend(channel, noise.resize(size, Image.BICUBIC), 0.4)
        channels.append(channel)
    return Image.merge("RGB", channels)


def cut(picture, number, size):
    """A part of that size, further right and down for each number."""
    left, top = ((whole - part) * number // COUNT for whole, part in zip(picture.size, size))
    return picture.crop((left, top, left + size[0], top + size[1]))


def translucent(picture):
    """The picture with edges that fade out."""
    alpha = ImageChops.invert(Image.radial_gradient("L")).point(lambda value: min(255, value * 2))
    picture.putalpha(alpha.resize(picture.size, Image.BICUBIC))
    return picture


main()

"""Judges answers of image servers: score.py JUDGE PHOTO ANSWER… prints a JSON list with two SSIMULACRA2 scores for each answer.

The first is against a reference resized as the photo is encoded, the second against one resized in linear light; both by Lanczos in
floating point, with premultiplied alpha, in the size of the answer. What is transparent is judged over grey.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from PIL import Image

GREY = 0.5


def main():
    judge, photo, *answers = map(Path, sys.argv[1:])
    source = pixels(Image.open(photo))
    references = {}
    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)
        scores = []
        for number, answer in enumerate(answers):
            picture = Image.open(answer)
            size = picture.size
            if size not in references:
                references[size] = [write(directory / f"{size}-{name}.png", shrink(source, size)) for name, shrink in SHRINKERS.items()]
            shown = write(directory / f"answer-{number}.png", over_grey(premultiplied(pixels(picture))))
            scores.append([score(judge, reference, shown) for reference in references[size]])
    print(json.dumps(scores))


def pixels(picture):
    """Red, green, blue, alpha from 0 to 1."""
    return numpy.asarray(picture.convert("RGBA"), dtype=numpy.float32) / 255


def premultiplied(array):
    return numpy.concatenate([array[..., :3] * array[..., 3:], array[..., 3:]], axis=2)


def resized(array, size):
    """Lanczos in floating point, channel by channel."""
    return numpy.dstack([numpy.asarray(Image.fromarray(array[..., channel]).resize(size, Image.LANCZOS)) for channel in range(4)])


def over_grey(array):
    """What is seen of premultiplied pixels over grey."""
    return array[..., :3] + (1 - array[..., 3:]) * GREY


def as_encoded(array, size):
    return over_grey(resized(premultiplied(array), size))


def in_linear_light(array, size):
    linear = array.copy()
    linear[..., :3] = numpy.where(array[..., :3] <= 0.04045, array[..., :3] / 12.92, ((array[..., :3] + 0.055) / 1.055) ** 2.4)
    small = resized(premultiplied(linear), size)
    alpha = small[..., 3:].clip(0, 1)
    plain = (small[..., :3] / numpy.maximum(alpha, 1 / 4096)).clip(0, 1)
    encoded = numpy.where(plain <= 0.0031308, plain * 12.92, 1.055 * plain ** (1 / 2.4) - 0.055)
    return over_grey(premultiplied(numpy.concatenate([encoded, alpha], axis=2)))


SHRINKERS = {"as-encoded": as_encoded, "linear": in_linear_light}


def write(path, array):
    Image.fromarray((array.clip(0, 1) * 255).round().astype(numpy.uint8)).save(path)
    return path


def score(judge, reference, shown):
    """What `ssimulacra2_rs image` prints."""
    printed = subprocess.run([judge, "image", reference, shown], check=True, capture_output=True, text=True).stdout
    return float(printed.split()[-1])


main()

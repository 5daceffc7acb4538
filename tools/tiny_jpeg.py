"""A small baseline JPEG encoder for test files that common encoders cannot write.

Supports any sampling factors, component identifiers, Adobe and JFIF segments, separate scans, restart intervals, 16-bit
quantisation tables, and files without Huffman tables. Used by tools/preprocess_files.py; not optimised for quality.
"""

import struct

import numpy as np

DC_COUNTS = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
DC_SYMBOLS = list(range(12))
AC_COUNTS = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125]
AC_FIRST = bytes.fromhex("01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282")
AC_SYMBOLS = list(AC_FIRST) + [s for s in range(256) if 1 <= s & 15 <= 10 and s not in AC_FIRST]

ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))


def codes(counts, symbols):
    table, code, i = {}, 0, 0
    for length, count in enumerate(counts, 1):
        for _ in range(count):
            table[symbols[i]] = format(code, f"0{length}b")
            code, i = code + 1, i + 1
        code <<= 1
    return table


DC, AC = codes(DC_COUNTS, DC_SYMBOLS), codes(AC_COUNTS, AC_SYMBOLS)


def extra(value):
    """Return the category of a value, and its bits."""
    size = int(abs(value)).bit_length()
    return size, format(value if value > 0 else value + (1 << size) - 1, f"0{size}b") if size else ""


def encode_block(coefficients, prediction):
    bits = ""
    size, digits = extra(coefficients[0] - prediction)
    bits += DC[size] + digits
    run = 0
    for value in coefficients[1:]:
        if value == 0:
            run += 1
            continue
        while run > 15:
            bits += AC[0xF0]
            run -= 16
        size, digits = extra(value)
        bits += AC[run << 4 | size] + digits
        run = 0
    return bits + (AC[0] if run else "")


def flush(bits):
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    return data.replace(b"\xff", b"\xff\0")


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def tiny_jpeg(samples, factors, ids=None, adobe=None, jfif=False, scans=None, restart=0, tables=True, wide=False, sof=0xC0, requantise=False):
    """Encode [height, width, components] bytes, each component subsampled by its (h, v) factors.

    With requantise, every component has a quantisation table of its own, all in the same place: each scan of one
    component has its table before it.
    """
    height, width, count = samples.shape
    ids = ids or bytes(range(1, count + 1))
    h_max, v_max = max(h for h, _ in factors), max(v for _, v in factors)
    across, down = -(-width // (8 * h_max)), -(-height // (8 * v_max))
    k = np.arange(8)
    dct = np.cos((2 * k[None] + 1) * k[:, None] * np.pi / 16) * np.where(k[:, None] == 0, np.sqrt(1 / 8), 0.5)
    steps = [3 + (k[:, None] + k[None]) * ((40 if wide else 4) + 3 * c * requantise) for c in range(count)]
    blocks = []
    for c, (h, v) in enumerate(factors):
        plane = np.pad(samples[..., c].astype(float), ((0, down * 8 * v_max - height), (0, across * 8 * h_max - width)), "edge")
        sx, sy = h_max / h, v_max / v
        ys = (np.arange(down * 8 * v) * sy).astype(int)
        xs = (np.arange(across * 8 * h) * sx).astype(int)
        plane = plane[ys][:, xs] - 128
        grid = plane.reshape(down * v, 8, across * h, 8).transpose(0, 2, 1, 3)
        levels = np.rint(dct @ grid @ dct.T / steps[c]).astype(int).reshape(down * v, across * h, 64)
        blocks.append(levels[..., ZIGZAG].tolist())
    data = b"\xff\xd8"
    if jfif:
        data += segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0")
    if adobe is not None:
        data += segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([adobe]))
    flat = [step.ravel()[ZIGZAG] for step in steps]
    dqt = [segment(0xDB, b"\x10" + f.astype(">u2").tobytes() if wide else b"\0" + f.astype("u1").tobytes()) for f in flat]
    data += dqt[0]
    frame = struct.pack(">BHHB", 8, height, width, count)
    data += segment(sof, frame + b"".join(bytes([ids[c], h << 4 | v, 0]) for c, (h, v) in enumerate(factors)))
    if tables:
        data += segment(0xC4, b"\0" + bytes(DC_COUNTS + DC_SYMBOLS)) + segment(0xC4, b"\x10" + bytes(AC_COUNTS + AC_SYMBOLS))
    if restart:
        data += segment(0xDD, struct.pack(">H", restart))
    for scan in scans or [list(range(count))]:
        data += dqt[scan[0]] if requantise else b""
        data += segment(0xDA, bytes([len(scan)]) + b"".join(bytes([ids[c], 0]) for c in scan) + b"\0\x3f\0")
        if len(scan) == 1 and count > 1:
            h, v = factors[scan[0]]
            w8, h8 = -(-(-(-width * h // h_max)) // 8), -(-(-(-height * v // v_max)) // 8)
            units = [[(scan[0], y, x)] for y in range(h8) for x in range(w8)]
        elif len(scan) == 1:
            units = [[(0, y, x)] for y in range(-(-height // 8)) for x in range(-(-width // 8))]
        else:
            units = [[(c, my * factors[c][1] + y, mx * factors[c][0] + x) for c in scan for y in range(factors[c][1])
                      for x in range(factors[c][0])] for my in range(down) for mx in range(across)]
        bits, prediction = "", dict.fromkeys(scan, 0)
        for i, unit in enumerate(units):
            if restart and i and i % restart == 0:
                data += flush(bits) + bytes([0xFF, 0xD0 + (i // restart - 1) % 8])
                bits, prediction = "", dict.fromkeys(scan, 0)
            for c, y, x in unit:
                bits += encode_block(blocks[c][y][x], prediction[c])
                prediction[c] = blocks[c][y][x][0]
        data += flush(bits)
    return data + b"\xff\xd9"

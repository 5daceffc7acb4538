"""Makes the binary tables of src/photo/av1/tables from the text of the AV1 specification.

    python3 tools/av1/tables.py FOLDER_OF_THE_SPECIFICATION

The folder holds the Markdown of the AV1 Bitstream & Decoding Process Specification of the Alliance for Open Media
(https://github.com/AOMediaCodec/av1-spec). Three files are written, all numbers little-endian:

    cdfs.bin        u16: the default cumulative distributions ("Default CDF tables"), each as 32768 minus the value, its
                    last number being the counter 0. First those without levels of quantisation in the order of `FRAME`,
                    those with a factor so many times, then those of coefficients in the order of `COEFFICIENTS`, once
                    for each of the four levels.
    quantizers.bin  u16: the steps for DC (8, 10, 12 bits: 256 each), then those for AC.
    matrices.bin    u8: for each of 15 levels and luma, chroma: the lower triangle of the 32 x 32 matrix, then the
                    matrix of 32 columns and 16 rows. All other sizes are parts of these, which is checked here.

It also checks that the scans which the decoder computes are those of the specification.
"""

import array
import pathlib
import re
import sys

FRAME = """
Intra_Frame_Y_Mode Uv_Mode_Cfl_Not_Allowed Uv_Mode_Cfl_Allowed Angle_Delta Intrabc Partition_W8 Partition_W16
Partition_W32 Partition_W64 Partition_W128 Tx_8x8 Tx_16x16 Tx_32x32 Tx_64x64 Txfm_Split Filter_Intra_Mode Filter_Intra
Segment_Id Skip Mv_Joint Mv_Class Mv_Class0_Bit*2 Mv_Bit*2 Mv_Sign*2 Palette_Y_Size Palette_Uv_Size Palette_Size_2_Y_Color
Palette_Size_3_Y_Color Palette_Size_4_Y_Color Palette_Size_5_Y_Color Palette_Size_6_Y_Color Palette_Size_7_Y_Color
Palette_Size_8_Y_Color Palette_Size_2_Uv_Color Palette_Size_3_Uv_Color Palette_Size_4_Uv_Color Palette_Size_5_Uv_Color
Palette_Size_6_Uv_Color Palette_Size_7_Uv_Color Palette_Size_8_Uv_Color Palette_Y_Mode Palette_Uv_Mode Delta_Q Delta_Lf*5
Intra_Tx_Type_Set1 Intra_Tx_Type_Set2 Inter_Tx_Type_Set1 Inter_Tx_Type_Set2 Inter_Tx_Type_Set3 Cfl_Sign Cfl_Alpha
Use_Wiener Use_Sgrproj Restoration_Type
""".split()

COEFFICIENTS = """
Txb_Skip Eob_Pt_16 Eob_Pt_32 Eob_Pt_64 Eob_Pt_128 Eob_Pt_256 Eob_Pt_512 Eob_Pt_1024 Eob_Extra Dc_Sign Coeff_Base_Eob
Coeff_Base Coeff_Br
""".split()


def constants(folder):
    """Returns the named numbers of section 3."""
    found = {}
    for name, value in re.findall(r"^\| *`(\w+)` *\| *([^|]+?) *\|", (folder / "03.symbols.md").read_text(), re.M):
        if re.fullmatch(r"\d+", value):
            found[name] = int(value)
    for line in (folder / "03.symbols.md").read_text().splitlines():
        match = re.match(r"\|? *`(\w+)` *\| *(\d+) *\|", line)
        if match:
            found[match[1]] = int(match[2])
    # A switch of three kinds of restoration.
    return found | {"RESTORE_SWITCHABLE": 3}


def tables(text, names):
    """Returns each table of a text: its sizes, and its numbers in one list."""
    found = {}
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)
    for name, sizes, content in re.findall(r"^(\w+?) *((?:\[[^\]]*\] *)+)=\s*(\{.*?\})\s*?\n(?=\n|~~~)", text, re.M | re.S):
        try:
            sizes = [eval(size, {}, names) for size in re.findall(r"\[([^\]]*)\]", sizes)]
        except NameError:
            continue
        content = re.sub(r"[{}]", " ", content)
        try:
            numbers = [eval(number, {}, names) for number in map(str.strip, content.split(",")) if number]
        except (NameError, SyntaxError):
            continue
        found[name] = sizes, numbers
    return found


def checked(found, name):
    sizes, numbers = found[name]
    count = 1
    for size in sizes:
        count *= size
    assert count == len(numbers), (name, sizes, len(numbers))
    return sizes, numbers


def distributions(found, name, level=None):
    sizes, numbers = checked(found, f"Default_{name}_Cdf")
    if level is not None:
        part = len(numbers) // 4
        numbers = numbers[level * part : (level + 1) * part]
    length = sizes[-1]
    for start in range(0, len(numbers), length):
        one = numbers[start : start + length]
        assert one[-2:] == [32768, 0] and one[:-1] == sorted(one[:-1]), (name, one)
        yield from [32768 - value for value in one[:-1]] + [0]


def write(path, kind, numbers):
    numbers = array.array(kind, numbers)
    if sys.byteorder == "big":
        numbers.byteswap()
    path.write_bytes(numbers.tobytes())
    print(path, len(numbers.tobytes()), "bytes")


def matrices(found):
    """Yields what is stored of the quantiser matrices, and checks that the others follow from it."""
    _, numbers = checked(found, "Quantizer_Matrix")
    _, offsets = checked(found, "Qm_Offset")
    # In the order of transform sizes.
    widths = [4, 8, 16, 32, 64, 4, 8, 8, 16, 16, 32, 32, 64, 4, 16, 8, 32, 16, 64]
    heights = [4, 8, 16, 32, 64, 8, 4, 16, 8, 32, 16, 64, 32, 16, 4, 32, 8, 64, 16]
    for start in range(0, len(numbers), 3344):
        one = numbers[start : start + 3344]
        square, wide = one[336 : 336 + 1024], one[2192 : 2192 + 512]
        for width, height, offset in zip(widths, heights, offsets):
            width, height = min(width, 32), min(height, 32)
            for row in range(height):
                for column in range(width):
                    if width == height:
                        step = 32 // width
                        phase = (step + 1) // 2 - 1
                        expected = square[(step * row + phase) * 32 + step * column + phase]
                    elif width > height:
                        expected = part(wide, row, column, width, height)
                    else:
                        expected = part(wide, column, row, height, width)
                    assert expected == one[offset + row * width + column], (width, height, row, column)
        for row in range(32):
            for column in range(row + 1):
                assert square[row * 32 + column] == square[column * 32 + row]
                yield square[row * 32 + column]
        yield from wide


def part(wide, row, column, width, height):
    across, down = 32 // width, 16 // height
    return wide[(down * row + (down + 1) // 2 - 1) * 32 + across * column + (across + 1) // 2 - 1]


def scan(width, height):
    """Diagonals: of a square in turns, of a tall one from the right, of a wide one from the left."""
    order = []
    for diagonal in range(width + height - 1):
        cells = [(diagonal - column, column) for column in range(width) if 0 <= diagonal - column < height]
        if width < height or width == height and diagonal % 2 == 1:
            cells.reverse()
        order += [row * width + column for row, column in cells]
    return order


def check_scans(found):
    for name, (sizes, numbers) in found.items():
        match = re.match(r"(Default|Mrow|Mcol)_Scan_(\d+)x(\d+)$", name)
        if not match:
            continue
        width, height = int(match[2]), int(match[3])
        rows = list(range(width * height))
        columns = [row * width + column for column in range(width) for row in range(height)]
        expected = {"Default": scan(width, height), "Mrow": rows, "Mcol": columns}[match[1]]
        assert numbers == expected, (name, numbers, expected)


def main():
    folder = pathlib.Path(sys.argv[1])
    names = constants(folder)
    found = tables((folder / "10.additional.tables.md").read_text(), names)
    steps = tables((folder / "08.decoding.process.md").read_text(), names)
    out = pathlib.Path(__file__).resolve().parents[2] / "src/photo/av1/tables"
    numbers = []
    for name in FRAME:
        name, _, times = name.partition("*")
        numbers += list(distributions(found, name)) * int(times or 1)
    for level in range(4):
        numbers += [number for name in COEFFICIENTS for number in distributions(found, name, level)]
    write(out / "cdfs.bin", "H", numbers)
    write(out / "quantizers.bin", "H", checked(steps, "Dc_Qlookup")[1] + checked(steps, "Ac_Qlookup")[1])
    write(out / "matrices.bin", "B", matrices(found))
    check_scans(found)


if __name__ == "__main__":
    main()

"""Results of a run: a Markdown table, notes, and the comparison with the project's performance floors."""

from dataclasses import dataclass, field

from machine import Processor
from models import CASES
from workers import SLOWED

OURS = "clippie"
# ONNX Runtime on a graph with a dynamic length and a text without padding.
CUT = "onnxruntime-cut"
# The engines that the floors refer to.
SERIOUS = ("onnxruntime", "openvino", "pytorch")
TITLES = {
    OURS: "clippie-rs",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "pytorch": "PyTorch",
    "rten": "rten",
    "tract": "tract",
    "candle": "candle",
}

# Maximum share of the machine's time for other processes.
DISTURBED = 0.05

# Required speedup over the best of SERIOUS, by the processor's instructions, case and (threads, batch).
SETTINGS = [(1, 1), (1, 8), (2, 1), (2, 8)]
# The same on every processor.
EVERYWHERE = {
    "siglip2-b-32": (1.15, 1.15, 1.15, 1.15),
    "siglip2-b-16": (1.15, 1.15, 1.15, 1.15),
    "siglip2-so400m": (1.1, 1.1, 1.1, 1.1),
    "siglip2-text": (1.1, 1.1, 1.1, 1.1),
    "xlm-r-10": (2.5, 2.5, 2.5, 2.5),
    "rn50": (1.1, 1.1, 1.1, 1.1),
}
FLOORS = {
    "avx512": {
        "mobileclip2-s0": (1.2, 1.2, 1.2, 1.25),
        "mobileclip-s2": (1.1, 1.1, 1.1, 1.1),
        "vit-b-32": (1.3, 1.15, 1.3, 1.2),
        "vit-b-16": (1.15, 1.1, 1.15, 1.1),
        "mobileclip-b": (1.15, 1.1, 1.15, 1.1),
        "text-77": (1.2, 1.1, 1.2, 1.1),
        "text-10": (3.5, 3.5, 3.5, 3.5),
        **EVERYWHERE,
    },
    "avx2": {
        "mobileclip2-s0": (1.25, 1.25, 1.25, 1.25),
        "mobileclip-s2": (1.15, 1.15, 1.15, 1.15),
        "vit-b-32": (1.2, 1.1, 1.2, 1.1),
        "vit-b-16": (1.1, 1.1, 1.1, 1.1),
        "mobileclip-b": (1.1, 1.1, 1.1, 1.1),
        "text-77": (1.1, 1.1, 1.1, 1.1),
        "text-10": (3.5, 3.5, 3.5, 3.5),
        **EVERYWHERE,
    },
}


@dataclass
class Row:
    """Result of a case in one setting: median milliseconds per item, by engine."""

    case: str
    threads: int
    batch: int
    ms: dict[str, float] = field(default_factory=dict)
    # The engine's fastest setting, if it has several.
    ways: dict[str, str] = field(default_factory=dict)
    # Reason why an engine has no figure.
    reasons: dict[str, str] = field(default_factory=dict)
    # Fastest call of each setting tried, in seconds.
    tried: dict[str, dict[str, float]] = field(default_factory=dict)
    # Maximum 1 - cosine to the reference.
    differences: dict[str, float] = field(default_factory=dict)
    # Number of timed calls.
    calls: dict[str, int] = field(default_factory=dict)
    # Share of processor time that other processes used.
    others: float = 0.0
    # Maximum slowdown of the processors around a turn that counts.
    slowed: float = 0.0

    @property
    def disturbed(self) -> float:
        """Degree of disturbance; the row counts as disturbed if it is above one."""
        return max(self.others / DISTURBED, self.slowed / SLOWED)

    @property
    def ratio(self) -> float | None:
        """Speedup over the best of the serious engines."""
        rivals = [self.ms[engine] for engine in SERIOUS if engine in self.ms]
        return min(rivals) / self.ms[OURS] if rivals and OURS in self.ms else None


def milliseconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(rows: list[Row]) -> str:
    """Return a Markdown table of median milliseconds per item."""
    engines = [engine for engine in TITLES if any(engine in row.ms or engine in row.reasons for row in rows)]
    titles = {case.name: case.title for case in CASES}
    lines = ["| | threads, batch | " + " | ".join(TITLES[engine] for engine in engines) + " | times as fast |"]
    lines.append("|---|---|" + "---|" * (len(engines) + 1))
    previous = None
    for row in rows:
        cells = [titles[row.case] if row.case != previous else "", f"{row.threads}, {row.batch}"]
        cells += [milliseconds(row.ms.get(engine)) for engine in engines]
        cells.append(f"{row.ratio:.2f}" if row.ratio else "–")
        lines.append("| " + " | ".join(cells) + " |")
        previous = row.case
    return "\n".join(lines)


def line(row: Row) -> str:
    """Return a progress line for one row."""
    found = [f"{TITLES.get(engine, engine)} {milliseconds(ms)}" for engine, ms in row.ms.items()]
    ratio = f"; {row.ratio:.2f} times as fast" if row.ratio else ""
    return f"{row.case} ({row.threads}, {row.batch}): {', '.join(found)} ms{ratio}"


def notes(rows: list[Row], versions: dict[str, str], processor: Processor) -> str:
    """Return notes: the processor, the unit of the figures, the settings of the engines, the reasons of missing figures."""
    named = [version for engine, version in versions.items() if engine != CUT]
    lines = [f"{processor}. Milliseconds an item, medians; float32. " + ", ".join(named) + "."]
    lines.append("Times as fast: against the best of ONNX Runtime, OpenVINO and PyTorch.")
    said = {}
    for row in rows:
        where = f"{row.case} ({row.threads}, {row.batch})"
        for engine, way in row.ways.items():
            if way and engine in row.ms:
                said.setdefault(f"{TITLES.get(engine, engine)}, {way}", []).append(where)
        for engine, reason in row.reasons.items():
            said.setdefault(f"{TITLES.get(engine, engine)} has no figure ({reason})", []).append(where)
    lines += [f"- {what}: {', '.join(where)}." for what, where in said.items()]
    for row in rows:
        if CUT in row.ms and OURS in row.ms:
            ahead = f"clippie-rs is {row.ms[CUT] / row.ms[OURS]:.2f} times as fast"
            ms = milliseconds(row.ms[CUT])
            lines.append(
                f"- {row.case} ({row.threads}, {row.batch}): with a graph of free length that is given the text "
                f"without its padding, which nobody publishes, ONNX Runtime takes {ms} ms; {ahead}."
            )
    return "\n".join(lines + disturbances(rows))


def disturbances(rows: list[Row]) -> list[str]:
    """Return a line per kind of disturbance."""
    lines = []
    disturbed = [f"{row.case} ({row.threads}, {row.batch}): {row.others:.0%}" for row in rows if row.others > DISTURBED]
    if disturbed:
        lines.append("- **Disturbed** by other processes, share of the machine: " + ", ".join(disturbed) + ".")
    slowed = [f"{row.case} ({row.threads}, {row.batch}): {row.slowed:.0%}" for row in rows if row.slowed > SLOWED]
    if slowed:
        lines.append("- **Disturbed** by strangers; the cores lacked of their best: " + ", ".join(slowed) + ".")
    return lines


def misses(rows: list[Row], processor: Processor) -> list[str]:
    """Return the floors that were not reached, including those without a figure."""
    found = {(row.case, row.threads, row.batch): row.ratio for row in rows}
    missed = []
    for case, floors in FLOORS[processor.floors].items():
        for (threads, batch), floor in zip(SETTINGS, floors):
            ratio = found.get((case, threads, batch))
            if ratio is None or ratio < floor:
                got = "not measured" if ratio is None else f"{ratio:.2f}"
                missed.append(f"{case}, {threads} threads, batch {batch}: {got}, floor {floor}")
    return missed

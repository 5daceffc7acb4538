"""The processor of a run: its name and its vector instructions, which decide the performance floors."""

from dataclasses import dataclass
from pathlib import Path

# Vector instructions by their names in /proc/cpuinfo, widest last; those that float32 engines use, and what makes
# reduced precision fast.
VECTORS = (
    "sse4_2",
    "avx",
    "f16c",
    "fma",
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "asimd",
    "asimddp",
    "i8mm",
    "sve",
)


@dataclass
class Processor:
    name: str
    vectors: list[str]

    @property
    def floors(self) -> str:
        """Name of the set of floors that holds here."""
        return "avx512" if "avx512f" in self.vectors else "avx2"

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.vectors)})"


def processor() -> Processor:
    """Read the first processor of /proc/cpuinfo."""
    fields = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    # Arm has no name here, only the numbers of its maker and part.
    arm = f"Arm, implementer {fields.get('CPU implementer', '?')}, part {fields.get('CPU part', '?')}"
    flags = fields.get("flags", fields.get("Features", "")).split()
    return Processor(fields.get("model name", arm), [name for name in VECTORS if name in flags])

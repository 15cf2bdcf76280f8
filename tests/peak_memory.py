"""How much memory this process takes. Linux only."""

import gc
from pathlib import Path

MEBIBYTE = 2**20


def peak_bytes() -> int:
    """Most memory the process has held since the last `forget_peak`."""
    (line,) = [line for line in Path('/proc/self/status').read_text().splitlines() if line.startswith('VmHWM')]
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    gc.collect()
    Path('/proc/self/clear_refs').write_text('5')

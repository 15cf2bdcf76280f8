"""The processor that a measurement ran on, for the head of a result page."""

from __future__ import annotations

import platform
from pathlib import Path

import torch


def processor_name(device: str) -> str:
    """The name of the GPU `device` ('cuda', 'cuda:1' ...), or of the CPU for any other device."""
    return torch.cuda.get_device_name(device) if device.startswith('cuda') else cpu_name()


def cpu_name() -> str:
    """The CPU's name with its family and model, because several generations can share one name."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.processor() or 'CPU'
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(':') for line in reversed(lines))}
    name = facts.get('model name') or platform.processor() or 'CPU'
    return f'{name} (family {facts["cpu family"]}, model {facts["model"]})' if 'cpu family' in facts else name

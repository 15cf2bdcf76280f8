"""Keeps tensors in memory up to a limit, and the rest in a file."""

from __future__ import annotations

import os
import tempfile
from collections import OrderedDict, deque
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

ALIGNMENT = 16  # each tensor in the file begins at a multiple of this many bytes


class SpillError(OSError):
    """The file that takes what does not fit into memory cannot be written or read. The message says where it is."""


class Kept:
    """A group of tensors in a `SpillStore`, which holds it for as long as this object lives."""

    __slots__ = ('_slot', '_store')

    def __init__(self, store: SpillStore, slot: int) -> None:
        self._store = store
        self._slot = slot

    def load(self) -> tuple[Tensor, ...]:
        """The tensors, on the device they came from. They are shared: do not write to them.

        Raises:
            SpillError: if the file cannot be read.
        """
        return self._store.load(self._slot)

    def __del__(self) -> None:
        self._store.dead.append(self._slot)  # no more than this: it may run in the middle of anything


@dataclass(frozen=True)
class _Part:
    """One tensor of a group in the file."""

    offset: int
    nbytes: int
    shape: torch.Size
    dtype: torch.dtype


class SpillStore:
    """Holds groups of tensors. All groups of a store have the same shapes and types, so a group is a slot of the file.

    The file is read and written at given places instead of being mapped into memory: mapped pages count as memory of
    the process, and where the disk is full, writing to them ends the process.

    Args:
        max_bytes: most bytes in memory. The group that was kept or loaded last stays there in any case.
        folder: for the file; None = the folder for temporary files.

    Attributes:
        dead: slots of groups that nobody holds any more; they are freed with the next call.
    """

    def __init__(self, *, max_bytes: int, folder: str | Path | None = None) -> None:
        self.dead: deque[int] = deque()
        self._max_bytes = max_bytes
        self._folder = folder
        self._parts: tuple[_Part, ...] = ()
        self._slot_bytes = 0
        self._device = torch.device('cpu')
        self._memory: OrderedDict[int, tuple[Tensor, ...]] = OrderedDict()  # least recently used first
        self._in_file: set[int] = set()  # of the slots in memory
        self._free: list[int] = []
        self._slots = 0
        self._file: BinaryIO | None = None

    @property
    def group_bytes(self) -> int:
        """Bytes of one group; 0 before the first."""
        return self._slot_bytes

    @property
    def memory_bytes(self) -> int:
        """Bytes in memory."""
        return len(self._memory) * self._slot_bytes

    @property
    def file_bytes(self) -> int:
        """Bytes in the file, free slots included."""
        return 0 if self._file is None else os.fstat(self._file.fileno()).st_size

    def keep(self, tensors: tuple[Tensor, ...]) -> Kept:
        """Take a group.

        Raises:
            SpillError: if another group had to go to the file and cannot; nothing has changed then.
        """
        self._collect()
        if not self._parts:
            self._lay_out(tensors)
        self._make_room()
        slot = self._free.pop() if self._free else self._slots
        self._slots = max(self._slots, slot + 1)
        self._memory[slot] = tensors
        return Kept(self, slot)

    def load(self, slot: int) -> tuple[Tensor, ...]:
        """The tensors of a slot; see `Kept.load`."""
        self._collect()
        if slot in self._memory:
            self._memory.move_to_end(slot)
            return self._memory[slot]
        self._make_room()
        tensors = self._read(slot)
        self._memory[slot] = tensors
        self._in_file.add(slot)
        return tensors

    def close(self) -> None:
        """Drop everything. What is still held cannot be loaded any more."""
        self._memory.clear()
        self._in_file.clear()
        if self._file is not None:
            self._file.close()

    def _lay_out(self, tensors: tuple[Tensor, ...]) -> None:
        parts, offset = [], 0
        for tensor in tensors:
            parts.append(_Part(offset, tensor.nbytes, tensor.shape, tensor.dtype))
            offset += -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT
        self._parts, self._slot_bytes, self._device = tuple(parts), offset, tensors[0].device

    def _collect(self) -> None:
        while self.dead:
            slot = self.dead.popleft()
            self._memory.pop(slot, None)
            self._in_file.discard(slot)
            self._free.append(slot)

    def _make_room(self) -> None:
        """Send groups to the file until one more fits into memory."""
        while self._memory and (len(self._memory) + 1) * self._slot_bytes > self._max_bytes:
            slot, tensors = next(iter(self._memory.items()))
            if slot not in self._in_file:
                self._write(slot, tensors)
            self._in_file.discard(slot)
            del self._memory[slot]

    def _write(self, slot: int, tensors: tuple[Tensor, ...]) -> None:
        buffer = torch.zeros(self._slot_bytes, dtype=torch.uint8)
        for part, tensor in zip(self._parts, tensors, strict=True):
            flat = tensor.contiguous().view(torch.uint8).flatten()
            buffer[part.offset : part.offset + part.nbytes] = flat.cpu()
        data, offset = buffer.numpy().data, slot * self._slot_bytes
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - open as long as the store
            while data:
                written = os.pwrite(self._file.fileno(), data, offset)
                data, offset = data[written:], offset + written
        except OSError as error:
            raise SpillError(
                f'masks and memories of the video do not fit into memory, and {self._where()} takes no more: '
                f'{error.strerror}'
            ) from error

    def _read(self, slot: int) -> tuple[Tensor, ...]:
        buffer = torch.empty(self._slot_bytes, dtype=torch.uint8)
        try:
            count = 0 if self._file is None else self._fill(buffer.numpy().data, slot * self._slot_bytes)
        except (OSError, ValueError) as error:  # ValueError: the file is closed
            raise SpillError(f'masks and memories of the video cannot be read from {self._where()}: {error}') from error
        if count < self._slot_bytes:
            raise SpillError(f'masks and memories of the video are not in {self._where()} any more')
        return tuple(
            buffer[part.offset : part.offset + part.nbytes].view(part.dtype).view(part.shape).to(self._device)
            for part in self._parts
        )

    def _fill(self, target: memoryview, offset: int) -> int:
        """Read into `target`; the number of bytes that were there."""
        assert self._file is not None
        count = 0
        while count < len(target):
            read = os.preadv(self._file.fileno(), [target[count:]], offset + count)
            if not read:
                break
            count += read
        return count

    def _where(self) -> str:
        return f'the folder {self._folder or tempfile.gettempdir()}'

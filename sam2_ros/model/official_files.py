"""The published checkpoints: address, licence, size and SHA-256."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

_META = 'https://dl.fbaipublicfiles.com/segment_anything_2'
_EDGETAM = (
    'https://raw.githubusercontent.com/facebookresearch/EdgeTAM/7711e012a30a2402c4eaab637bdb00a521302c91/checkpoints'
)
_EFFICIENTTAM = 'https://huggingface.co/yunyangx/efficient-track-anything/resolve/main'


@dataclass(frozen=True)
class OfficialFile:
    """One published checkpoint.

    Attributes:
        name: file name: the name of the variant and `.pt`.
        url: where it is downloaded from.
        size: length in bytes; None if it is not known.
        sha256: hexadecimal digest of the content; None if it is not known.
        licence: of the weights.
    """

    name: str
    url: str
    size: int | None
    sha256: str | None
    licence: str = 'Apache-2.0'

    def verify(self, path: str | Path) -> None:
        """Compare size and SHA-256 of the file at `path`, as far as they are known. Takes seconds per gigabyte.

        Raises:
            ValueError: the content is not the published one.
        """
        size = Path(path).stat().st_size
        if self.size is not None and size != self.size:
            raise ValueError(f'{path} has {size} bytes, the published {self.name} has {self.size}')
        if self.sha256 is None:
            return
        sha256 = sha256_of(path)
        if sha256 != self.sha256:
            raise ValueError(f'{path} has the SHA-256 {sha256}, the published {self.name} has {self.sha256}')


def sha256_of(path: str | Path) -> str:
    """Hexadecimal digest of a file."""
    with open(path, 'rb') as file:
        sha256 = hashlib.sha256()
        while chunk := file.read(1 << 20):
            sha256.update(chunk)
    return sha256.hexdigest()


_ROWS: tuple[tuple[str, str, int | None, str | None], ...] = (
    (
        'sam2.1_hiera_tiny',
        f'{_META}/092824',
        156_008_466,
        '7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69',
    ),
    (
        'sam2.1_hiera_small',
        f'{_META}/092824',
        184_416_285,
        '6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38',
    ),
    (
        'sam2.1_hiera_base_plus',
        f'{_META}/092824',
        323_606_802,
        'a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5',
    ),
    (
        'sam2.1_hiera_large',
        f'{_META}/092824',
        898_083_611,
        '2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318',
    ),
    (
        'sam2_hiera_tiny',
        f'{_META}/072824',
        155_906_050,
        '65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125',
    ),
    (
        'sam2_hiera_small',
        f'{_META}/072824',
        184_309_650,
        '95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3',
    ),
    (
        'sam2_hiera_base_plus',
        f'{_META}/072824',
        323_493_298,
        'd0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071',
    ),
    (
        'sam2_hiera_large',
        f'{_META}/072824',
        897_952_466,
        '7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b',
    ),
    # those of EdgeTAM and EfficientTAM as projects that use these files have recorded them
    ('edgetam', _EDGETAM, 56_116_523, 'ed2d4850b8792c239689b043c47046ec239b6e808a3d9b6ae676c803fd8780df'),
    ('efficienttam_s', _EFFICIENTTAM, 136_375_868, '2b572be30d9e96ee29c8d785fe157c6b079ede7d56fbc8a3671d4120e63c89cd'),
    (
        'efficienttam_s_512x512',
        _EFFICIENTTAM,
        136_379_145,
        '67b5840012737ed2c94a4cb8787c5c1b27b3a946045d2e602e65ef77230b6085',
    ),
    ('efficienttam_s_1', _EFFICIENTTAM, None, None),
    ('efficienttam_s_2', _EFFICIENTTAM, None, None),
    ('efficienttam_ti', _EFFICIENTTAM, 71_616_316, 'acbb17b28cca1f860acee09c9ecb6efdb732080dc7a85a07292c31813175fa7d'),
    (
        'efficienttam_ti_512x512',
        _EFFICIENTTAM,
        71_620_052,
        '7d4d652a465f0081391050932f45d8a66768ccc99c8ea393ce8a5927e83f3b9b',
    ),
    ('efficienttam_ti_1', _EFFICIENTTAM, None, None),
    ('efficienttam_ti_2', _EFFICIENTTAM, None, None),
)
OFFICIAL_FILES = {
    variant: OfficialFile(f'{variant}.pt', f'{folder}/{variant}.pt', size, sha256)
    for variant, folder, size, sha256 in _ROWS
}

"""The checkpoints that Meta publishes: address, size and SHA-256."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

_BASE_URL = 'https://dl.fbaipublicfiles.com/segment_anything_2'


@dataclass(frozen=True)
class OfficialFile:
    """One published checkpoint.

    Attributes:
        name: file name: the name of the variant and `.pt`.
        url: where it is downloaded from.
        size: length in bytes.
        sha256: hexadecimal digest of the content.
    """

    name: str
    url: str
    size: int
    sha256: str

    def verify(self, path: str | Path) -> None:
        """Compare size and SHA-256 of the file at `path`. Takes a few seconds per gigabyte.

        Raises:
            ValueError: the content is not the published one.
        """
        size = Path(path).stat().st_size
        if size != self.size:
            raise ValueError(f'{path} has {size} bytes, the published {self.name} has {self.size}')
        with open(path, 'rb') as file:
            sha256 = hashlib.sha256()
            while chunk := file.read(1 << 20):
                sha256.update(chunk)
        if sha256.hexdigest() != self.sha256:
            raise ValueError(
                f'{path} has the SHA-256 {sha256.hexdigest()}, the published {self.name} has {self.sha256}'
            )


_ROWS = (  # variant, release, bytes, SHA-256
    ('sam2.1_hiera_tiny', '092824', 156_008_466, '7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69'),
    ('sam2.1_hiera_small', '092824', 184_416_285, '6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38'),
    (
        'sam2.1_hiera_base_plus',
        '092824',
        323_606_802,
        'a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5',
    ),
    ('sam2.1_hiera_large', '092824', 898_083_611, '2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318'),
    ('sam2_hiera_tiny', '072824', 155_906_050, '65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125'),
    ('sam2_hiera_small', '072824', 184_309_650, '95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3'),
    ('sam2_hiera_base_plus', '072824', 323_493_298, 'd0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071'),
    ('sam2_hiera_large', '072824', 897_952_466, '7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b'),
)
OFFICIAL_FILES = {
    variant: OfficialFile(f'{variant}.pt', f'{_BASE_URL}/{release}/{variant}.pt', size, sha256)
    for variant, release, size, sha256 in _ROWS
}

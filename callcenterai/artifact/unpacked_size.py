"""Refuses model files that were made to fill the memory, before anything of them is unpacked.

The services have a check of their own, because their images hold none of this package's code for training.
"""

import io
import zipfile
from typing import BinaryIO

from callcenterai.core.cli import UserError

# An archive of a model becomes two to five times as large when it is unpacked. Smaller ones do no harm.
MOST_EXPANSION, HARMLESS_BYTES = 50, 100 * 2**20


def check_unpacked_size(archive: BinaryIO, name: str) -> None:
    """Raise a UserError when a zip archive says that it becomes far larger than models do.

    zipfile gives no member more bytes than it declares.
    """
    with zipfile.ZipFile(archive) as packed:
        unpacked = sum(member.file_size for member in packed.infolist())
    if unpacked > HARMLESS_BYTES and unpacked > MOST_EXPANSION * archive.seek(0, io.SEEK_END):
        raise UserError(
            f"{name} is refused: it would take {unpacked // 2**20:,} MB of memory, as no model of its size does"
        )

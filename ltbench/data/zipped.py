"""Files into zip archives that are the same wherever they are made, and out of a stranger's."""

import hashlib
import zipfile

from ltbench.errors import first_line

RATIO, PLAIN = 100, 2**16  # a file above so many bytes never unpacks to so many times its size
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first time that a zip archive can hold


def add(archive: zipfile.ZipFile, name: str, content: bytes) -> str:
    """Add a file to an archive, without its time and machine; returns its SHA-256."""
    entry = zipfile.ZipInfo(name, _LONG_AGO)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, wherever it is made
    entry.external_attr = 0o100644 << 16
    archive.writestr(entry, content)
    return hashlib.sha256(content).hexdigest()


def unpack(archive: zipfile.ZipFile, entry: str | zipfile.ZipInfo, largest: int) -> bytes:
    """Return a file of an archive that a stranger may have made.

    Raises ValueError for one that does not unpack, has more than `largest` bytes, or is a bomb.
    """
    try:
        entry = archive.getinfo(entry) if isinstance(entry, str) else entry
        with archive.open(entry) as file:
            content = file.read(largest + 1)  # its size as stated may be a lie
    except Exception as error:  # a damaged archive breaks its reader in many ways
        name = entry if isinstance(entry, str) else entry.filename
        raise ValueError(f"{name} does not unpack ({first_line(error)})") from None
    if len(content) > largest:
        raise ValueError(
            f"{entry.filename} has more than {largest >> 20} MiB, which none of ltbench's has"
        )
    if len(content) > max(RATIO * entry.compress_size, PLAIN):
        raise ValueError(f"{entry.filename} unpacks to more than {RATIO} times its size")
    return content

"""What a file holds: its bytes, unpacked, whether it is plain, compressed, in an archive or a pipe.

``.gz``, ``.bz2`` and ``.xz`` are unpacked as they are read; compression is also known by its first
bytes, as a pipe has no suffix. A pipe is copied to a temporary file at its first use, so that it
can be read as often as any other file, as long as this process runs. The processes of torchrun
would each read a part of it, so they refuse it.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from npformer.errors import CorpusError, nearest

_UNPACK: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_MAGIC = {b"\x1f\x8b\x08": ".gz", b"\xfd7zXZ\0": ".xz", b"PK\3\4": ".zip"}
_BZIP2 = (b"BZh", b"1AY&SY")  # the digit between them is the size of a block
_MOST_MAGIC = 10

_COPIES: dict[tuple[str, int, int], Any] = {}  # pipes, by path, device and inode


@dataclass(frozen=True)
class Content:
    """A file, or a member of a zip archive, and how to get at its bytes.

    Raises ``CorpusError``, also while it is read within ``errors``.
    """

    path: Path
    """As the user named it."""
    member: str = ""
    """Name within the archive, if it is one."""

    def __post_init__(self) -> None:
        _check(self.path)

    @property
    def name(self) -> str:
        """For messages: the quoted path, and the member."""
        return repr(str(self.path)) + (f" ({self.member})" if self.member else "")

    @property
    def packing(self) -> str:
        """``.gz``, ``.bz2``, ``.xz``, ``.zip``, or empty; a member is what it is."""
        if self.member:
            return ""
        suffix = self.path.suffix.lower()
        return suffix if suffix in _UNPACK else _packing(self.on_disk())

    @property
    def suffix(self) -> str:
        """That of the unpacked content, in lower case: ``.tsv`` for ``a.tsv.xz``."""
        path = Path(self.member or self.path.name)
        whole = path.suffix.lower()
        return Path(path.stem).suffix.lower() if whole in (*_UNPACK, ".zip") else whole

    def on_disk(self) -> Path:
        """The packed bytes as a regular file: a pipe's are copied, once."""
        return _regular(self.path)

    def open(self) -> IO[bytes]:
        """The unpacked bytes, from their start; of an archive, those of ``member``."""
        path, packing = self.on_disk(), self.packing
        if self.member:
            stream: IO[bytes] = zipfile.ZipFile(path).open(self.member)  # noqa: SIM115  it closes both
        elif packing in _UNPACK:
            stream = _UNPACK[packing](path, "rb")
        else:
            stream = open(path, "rb")  # noqa: SIM115
        return stream

    def head(self, size: int = 4096) -> bytes:
        """The first bytes, unpacked."""
        with self.errors(), self.open() as stream:
            return stream.read(size)

    def read(self) -> bytes:
        """All of it, for formats that are read whole."""
        with self.errors(), self.open() as stream:
            return stream.read()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """What goes wrong while it is read raises ``CorpusError``, with its name."""
        damaged = f"{self.name} is damaged, or no {self.packing} file"
        try:
            yield
        except EOFError as error:
            raise CorpusError(
                f"{self.name} is cut short: its compressed data has no end"
            ) from error
        except (lzma.LZMAError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
            raise CorpusError(f"{damaged}: {error}") from error
        except (NotImplementedError, RuntimeError) as error:  # zipfile's, of what it cannot unpack
            if not self.member:
                raise
            raise CorpusError(f"cannot unpack {self.name}: {error}") from error
        except OSError as error:
            if error.errno is None:  # bz2's
                raise CorpusError(f"{damaged}: {error}") from error
            raise CorpusError(f"cannot read {self.name}: {error.strerror or error}") from error

    def members(self) -> list[str]:
        """Names of the files in the archive, in its order."""
        with self.errors(), zipfile.ZipFile(self.on_disk()) as archive:
            return [info.filename for info in archive.infolist() if not info.is_dir()]


def _processes() -> int:
    """How many train together, by torchrun's variable; 0 if it is this one alone."""
    size = os.environ.get("WORLD_SIZE", "")
    return int(size) if size.isdecimal() and int(size) > 1 else 0


def _check(path: Path) -> None:
    if path.is_dir():
        raise CorpusError(
            f"{str(path)!r} is a directory; give a file in it, or hf:{path} if it is a dataset"
        )
    if not path.exists():
        if str(path).startswith("/dev/fd/") and _processes():
            raise CorpusError(
                f"{str(path)!r} is a pipe of the process that started this one; write it to a file "
                "first, and name the file"
            )
        folder = path.parent
        names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        raise CorpusError(f"there is no file {str(path)!r}" + nearest(path.name, names))
    if path.is_file() and path.stat().st_size == 0:
        raise CorpusError(f"{str(path)!r} is empty")


def _packing(path: Path) -> str:
    try:
        with open(path, "rb") as stream:
            head = stream.read(_MOST_MAGIC)
    except OSError as error:
        raise CorpusError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    if head.startswith(_BZIP2[0]) and head[4:] == _BZIP2[1]:
        return ".bz2"
    return next((packing for magic, packing in _MAGIC.items() if head.startswith(magic)), "")


def _regular(path: Path) -> Path:
    found = path.stat()
    if stat.S_ISREG(found.st_mode):
        return path
    key = (str(path), found.st_dev, found.st_ino)
    if key not in _COPIES:
        if count := _processes():
            raise CorpusError(
                f"{str(path)!r} is a pipe, which only one of this run's {count} processes could "
                "read; write it to a file first, and name the file"
            )
        copy = tempfile.NamedTemporaryFile(prefix="npformer-")  # noqa: SIM115  kept till the end
        try:
            with open(path, "rb") as stream:
                shutil.copyfileobj(stream, copy)
            copy.flush()
        except OSError as error:
            raise CorpusError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
        _COPIES[key] = copy
    return Path(_COPIES[key].name)

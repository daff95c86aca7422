"""Files that an operator names are read whole, or refused with the reason; nothing is kept open."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from server.bounded_file import BoundedFileError, FileTooLargeError, read_bounded


def test_a_file_is_read_up_to_the_limit(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345678")

    assert read_bounded(path, 8) == b"12345678"
    with pytest.raises(FileTooLargeError, match=r"'.*/file' is over 7 bytes"):
        read_bounded(path, 7)


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def nothing(path: Path) -> None:
    pass


def a_loop_of_links(path: Path) -> None:
    path.symlink_to(path)


REFUSED = {
    a_folder: "cannot be read: Is a directory",
    a_pipe: "is no file",
    nothing: "cannot be read: No such file or directory",
    a_loop_of_links: "cannot be read: Too many levels of symbolic links",
}


@pytest.mark.parametrize("make", REFUSED)
def test_what_is_no_file_is_refused_with_the_reason_and_leaves_nothing_open(tmp_path, make):
    path = tmp_path / "named"
    make(path)
    before = psutil.Process().num_fds()

    for _ in range(3):
        with pytest.raises(BoundedFileError, match=f"'.*/named' {REFUSED[make]}"):
            read_bounded(path, 100)

    assert psutil.Process().num_fds() == before

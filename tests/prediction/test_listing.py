"""Which files are answered for: every file once, whatever the folders and names."""

import os
from pathlib import Path

from PIL import Image

from mnist_twice.prediction import list_files


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    return folder


def listed(*named: Path, **options) -> list[str]:
    return [file.path for file in list_files(named, **options)]


def test_folders_are_read_by_name_and_subfolders_only_when_asked(tmp_path: Path) -> None:
    make(tmp_path, "b.png", "a.JPG", "c/d/e.tif", "c/a.png", "z/b.png", ".hidden.gif")
    notes: list[str] = []
    assert listed(tmp_path, notes=notes) == [str(tmp_path / name) for name in (".hidden.gif", "a.JPG", "b.png")]
    assert notes == [f"'{tmp_path}' has 2 subfolders (c, z), not read; --recursive reads them."]
    names = (".hidden.gif", "a.JPG", "b.png", "c/a.png", "c/d/e.tif")
    outputs = [tmp_path / "c" / ".." / "z"]  # what is being written is not read
    assert listed(tmp_path, recursive=True, outputs=outputs) == [str(tmp_path / name) for name in names]


def test_image_files_are_known_by_their_contents_and_all_others_named(tmp_path: Path) -> None:
    for name, form in (("a.jfif", "JPEG"), ("b.scan", "PNG"), ("c", "PPM"), ("d.webp2", "WEBP")):
        Image.new("L", (9, 9)).save(tmp_path / name, format=form)
    make(tmp_path, "notes.txt", "x.pdf", "y.docx", "z.xcf", ".DS_Store", "._a.jpg")
    (tmp_path / "phone.raw").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    notes: list[str] = []
    names = ("a.jfif", "b.scan", "c", "d.webp2", "phone.raw")
    assert listed(tmp_path, notes=notes) == [str(tmp_path / name) for name in names]
    others = "4 files (notes.txt, x.pdf, y.docx and 1 more)"
    assert notes == [f"'{tmp_path}' has {others} not in an image format, not read."]


def test_a_pattern_that_no_shell_expanded_is_expanded_here(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "b.png", "c.txt", "[1].png", "d[1].png")
    assert listed(tmp_path / "?.png") == [str(tmp_path / name) for name in ("a.png", "b.png")]
    assert listed(tmp_path / "d[1].png") == [str(tmp_path / "d[1].png")]  # a name that looks like a pattern
    assert listed(tmp_path / "*.jpg") == [str(tmp_path / "*.jpg")]  # reading it says that there is none


def test_links_to_files_are_followed_and_those_to_folders_noted(tmp_path: Path) -> None:
    make(tmp_path / "in", "a.png")
    (tmp_path / "in" / "b.png").symlink_to("a.png")
    (tmp_path / "in" / "loop").symlink_to(".", target_is_directory=True)
    notes: list[str] = []
    found = listed(tmp_path / "in", recursive=True, notes=notes)
    assert [Path(path).name for path in found] == ["a.png", "b.png"]
    assert notes == [f"'{tmp_path / 'in'}' has 1 link (loop) to folders, not followed; to read them, name them."]


def test_what_is_named_is_tried_once_and_folders_without_images_are_faults(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", "empty/a.txt")
    named = [tmp_path / name for name in ("a.txt", "empty", "a.txt", "missing.png")]
    found = {file.path: file.fault for file in list_files(named)}
    assert list(found) == list(dict.fromkeys(map(str, named)))
    assert [bool(fault) for fault in found.values()] == [False, True, False]
    assert "there are no image files in this folder" in found[str(tmp_path / "empty")]


def test_outputs_lie_as_the_files_do_and_none_replaces_another(tmp_path: Path) -> None:
    make(tmp_path / "a", "x.png", "sub/x.png")
    make(tmp_path / "b", "x.png")

    def places(*named: str) -> list[str]:
        return [file.place for file in list_files([tmp_path / name for name in named], recursive=True)]

    assert places("a") == ["x.png", os.path.join("sub", "x.png")]
    assert places("a", "b") == [
        os.path.join(*parts) for parts in (("a", "x.png"), ("a", "sub", "x.png"), ("b", "x.png"))
    ]
    assert places("a/x.png", "b/x.png", "b/X.png") == ["1-x.png", "2-x.png", "3-X.png"]
    assert places("a/..")[0] == os.path.join("a", "x.png")
    assert places("b/.", "a/sub/..")[0] == os.path.join("b", "x.png")

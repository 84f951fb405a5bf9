"""Which files are answered for: every file once, in one shard, whatever the folders and names."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from digits.inference import listing
from digits.inference.listing import Shard, list_files, output_name

POSIX_NAMES = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these file systems take no such names")


def make(folder: Path, *names: str | bytes) -> Path:
    for name in names:
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    return folder


def listed(*named: Path, **options) -> list[str]:
    return [file.path for file in list_files(named, **options)]


def test_folders_are_read_by_name_and_subfolders_only_when_asked(tmp_path: Path) -> None:
    make(tmp_path, "b.png", "a.JPG", "c/d/e.tif", "c/a.png", "z/.png", ".hidden.gif")
    notes: list[str] = []
    assert listed(tmp_path, notes=notes) == [str(tmp_path / name) for name in (".hidden.gif", "a.JPG", "b.png")]
    assert notes == [f"'{tmp_path}' has 2 subfolders (c, z), not read; --recursive reads them."]
    names = (".hidden.gif", "a.JPG", "b.png", "c/a.png", "c/d/e.tif")
    assert listed(tmp_path, recursive=True) == [str(tmp_path / name) for name in names]
    assert {file.size for file in list_files([tmp_path], recursive=True)} == {5}


def test_image_files_are_known_by_their_contents_and_all_others_named(tmp_path: Path) -> None:
    for name, form in (("a.jfif", "JPEG"), ("b.scan", "PNG"), ("c", "PPM"), ("d.webp2", "WEBP")):
        Image.new("L", (9, 9)).save(tmp_path / name, format=form)
    make(tmp_path, "notes.txt", "x.pdf", "y.docx", "z.xcf", ".DS_Store", "._a.jpg")
    (tmp_path / "phone.raw").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    notes: list[str] = []
    names = ("a.jfif", "b.scan", "c", "d.webp2", "phone.raw")
    assert listed(tmp_path, notes=notes) == [str(tmp_path / name) for name in names]
    assert notes == [
        f"'{tmp_path}' has 4 files (notes.txt, x.pdf, y.docx and 1 more) not in an image format, not read."
    ]


def test_a_large_folder_comes_in_blocks_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{i}.png" for i in range(100)] + [f"{i}/{j}.png" for i in range(5) for j in range(3)]
    make(tmp_path, *names)
    whole = listed(tmp_path, recursive=True)
    monkeypatch.setattr(listing, "BLOCK", 7)
    blocks = listed(tmp_path, recursive=True)
    assert sorted(blocks) == sorted(whole) == sorted(str(tmp_path / name) for name in names)
    assert listed(tmp_path / "3") == [str(tmp_path / "3" / f"{j}.png") for j in range(3)]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
def test_links_to_files_are_followed_and_those_to_folders_noted(tmp_path: Path) -> None:
    make(tmp_path / "in", "a.png")
    (tmp_path / "in" / "b.png").symlink_to("a.png")
    (tmp_path / "in" / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "in" / "loop").symlink_to(".", target_is_directory=True)
    notes: list[str] = []
    found = listed(tmp_path / "in", recursive=True, notes=notes)
    assert [Path(path).name for path in found] == ["a.png", "b.png", "gone.png"]
    assert notes == [f"'{tmp_path / 'in'}' has 1 link (loop) to folders, not followed; name them."]


def test_what_is_named_is_tried_once_and_folders_without_images_are_faults(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", "empty/a.txt")
    (tmp_path / "bare").mkdir()
    named = [tmp_path / name for name in ("a.txt", "empty", "bare", "a.txt", "missing.png")]
    found = {file.path: file.fault for file in list_files(named)}
    assert list(found) == list(dict.fromkeys(map(str, named)))
    assert [bool(fault) for fault in found.values()] == [False, True, True, False]
    assert "there are no image files in this folder" in found[str(tmp_path / "bare")]


def test_a_folder_that_may_not_be_read_is_a_fault_and_the_rest_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a/1.png", "b/1.png", "c/1.png")
    scandir = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = [(os.path.relpath(file.path, tmp_path), file.fault) for file in list_files([tmp_path], recursive=True)]
    fault = "the folder cannot be read (Permission denied); check its permissions."
    assert found == [(os.path.join("a", "1.png"), ""), ("b", fault), (os.path.join("c", "1.png"), "")]


def test_folders_that_are_being_written_are_not_read(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "unsure/b.png", "sub/unsure/c.png")
    found = listed(tmp_path, recursive=True, outputs=[tmp_path / "sub" / ".." / "unsure"])
    assert [Path(path).name for path in found] == ["a.png", "c.png"]


def test_deep_folders_open_few_files(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 300)
    make(deep, "a.png")
    assert listed(tmp_path, recursive=True) == [str(deep / "a.png")]


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(st.lists(st.lists(NAMES, min_size=1, max_size=3).map(os.sep.join)), st.integers(1, 20))
def test_each_file_is_in_exactly_one_shard(paths: list[str], count: int) -> None:
    for path in paths:
        assert sum(Shard(number, count).has(path) for number in range(1, count + 1)) == 1


def test_shards_do_not_depend_on_the_machine() -> None:
    """What is listed here was computed once; another answer would have two machines skip a file."""
    numbers = [next(k for k in range(1, 11) if Shard(k, 10).has(name)) for name in ("a.png", "b.png", "sub/é.png")]
    assert numbers == NUMBERS
    assert Shard(numbers[2], 10).has("sub/e\u0301.png")  # as macOS composes it


NUMBERS = [3, 6, 1]


@POSIX_NAMES
@given(names=st.sets(st.binary(min_size=1, max_size=6).filter(lambda name: not set(name) & {0, 47}), max_size=8))
@settings(max_examples=30, deadline=None)
def test_every_file_of_a_folder_is_in_one_shard_and_has_an_output_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, names: set[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("photos")
    make(folder, *(name + b".png" for name in names if name not in (b".", b"..")), "always.png")
    whole = list(list_files([folder]))
    parts = [file for number in (1, 2, 3) for file in list_files([folder], shard=Shard(number, 3))]
    assert sorted(file.path for file in parts) == sorted(file.path for file in whole)
    assert len({file.place for file in whole}) == len(whole) == len(list(folder.iterdir()))
    moved = folder.rename(folder.with_name(f"{folder.name}-moved"))
    assert [file.place for file in list_files([moved], shard=Shard(2, 3))] == [
        file.place for file in list_files([moved]) if Shard(2, 3).has(os.path.relpath(file.path, moved))
    ]


def test_output_lies_as_the_files_do(tmp_path: Path) -> None:
    make(tmp_path / "a", "x.png", "sub/x.png")
    make(tmp_path / "b", "x.png")
    assert [f.place for f in list_files([tmp_path / "a"], recursive=True)] == ["x.png", os.path.join("sub", "x.png")]
    places = [f.place for f in list_files([tmp_path / "a", tmp_path / "b", tmp_path / "b" / "x.png"], recursive=True)]
    assert places == [
        os.path.join(*parts) for parts in (("a", "x.png"), ("a", "sub", "x.png"), ("b", "x.png"), ("x.png",))
    ]
    assert output_name("photo 1.png").startswith("photo_1-")
    assert output_name("photo 1.png") != output_name("photo_1.png") == "photo_1.png"

"""The stand-in images: closures, layers and the registry's layout, from small trees instead of packages."""

import gzip
import io
import json
import os
import sys
import tarfile
from pathlib import Path

import pytest

from scripts.images import elf, packages
from scripts.images.layers import Layer, digest
from scripts.images.storage import Storage


def names(layer: Layer) -> list[str]:
    content, _ = layer.packed()
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as archive:
        return archive.getnames()


def test_a_layer_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    one = Layer(tmp_path).text("etc/motd", "hello").folder("var", "etc").packed()
    other = Layer(tmp_path).folder("etc", "var").text("etc/motd", "hello").packed()
    assert one == other


def test_links_of_packages_stay_inside_their_tree(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/real").write_text("program")
    (tmp_path / "usr/bin/alternative").symlink_to("/usr/bin/real")
    layer = Layer(tmp_path).package_file("usr/bin/alternative", "bin/program")
    assert layer.entries["bin/program"][1] == b"program"


def test_what_a_lower_layer_has_is_left_out(tmp_path: Path) -> None:
    base = Layer(tmp_path).folder("etc").text("etc/passwd", "root")
    upper = Layer(tmp_path).text("etc/passwd", "root").text("etc/motd", "hello").without(base)
    assert names(upper) == ["etc/motd"]


def test_the_needs_of_a_program_are_read_from_it() -> None:
    needed = elf.needed(Path(os.path.realpath("/bin/ls")))
    assert "libc.so.6" in needed
    assert needed[-1].startswith("ld-")


def test_a_file_that_is_no_program_needs_nothing(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    assert elf.needed(tmp_path / "script") == []


def test_every_name_of_an_image_leads_to_its_layers(tmp_path: Path) -> None:
    storage = Storage(tmp_path, "amd64")
    layer = Layer(tmp_path).text("hello", "world")
    storage.add(("greeting:latest", "library/greeting:latest"), [layer], {"Cmd": ["hello"]})
    for name in ("greeting", "library/greeting"):
        link = storage.root / "repositories" / name / "_manifests/tags/latest/current/link"
        manifest = json.loads(_blob(storage, link.read_text()))
        configuration = json.loads(_blob(storage, manifest["config"]["digest"]))
        layers = [_blob(storage, each["digest"]) for each in manifest["layers"]]
        assert [digest(gzip.decompress(each)) for each in layers] == configuration["rootfs"]["diff_ids"]
        assert configuration["config"]["Cmd"] == ["hello"]


def _blob(storage: Storage, name: str) -> bytes:
    code = name.removeprefix("sha256:")
    content = (storage.root / "blobs/sha256" / code[:2] / code / "data").read_bytes()
    assert digest(content) == name
    return content


@pytest.mark.skipif(sys.platform != "linux", reason="Debian packages")
def test_only_libraries_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = "\n".join(
        [
            "server",
            "  PreDepends: init-helpers",
            " |Depends: libfirst1",
            "  Depends: libsecond1",
            "  Depends: libthird1",
            "libthird1",
            "  Depends: libfourth1",
            "  Depends: perl",
            "init-helpers",
            "libfirst1",
            "libsecond1",
            "libfourth1",
            "perl",
        ]
    )
    monkeypatch.setattr(packages, "_run", lambda command: answer)
    assert packages.closure(["server"]) == ["libfirst1", "libfourth1", "libthird1", "server"]

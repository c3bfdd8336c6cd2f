"""The databases: what of the packages each image holds, and how it starts. The data directory is its published one."""

from __future__ import annotations

from pathlib import Path

from scripts.images.layers import ZONES_TWICE, Layer, script

NODE_MODULES = ("pouchdb-server@4.2.0", "pouchdb-adapter-leveldb@7.3.1")
"""Debian carries no CouchDB; PouchDB Server speaks its protocol. What these need in turn is npm's choice of the day."""
MODULES = "opt/pouchdb"
NOT_RUN = r"/prebuilds/(?!linux-(x64|arm64)/)|\.musl\.|\.(md|ts|map)$|/test/|^\."
Settings = dict[str, object]


def postgres(tree: Path) -> tuple[Layer, Settings]:
    (home,) = (tree / "usr/lib/postgresql").iterdir()
    layer = Layer(tree).program("usr/sbin/gosu")
    for name in ("initdb", "pg_dump", "pg_isready", "postgres", "psql"):
        layer.program(f"{home.relative_to(tree)}/bin/{name}")
        layer.link(f"usr/bin/{name}", f"/{home.relative_to(tree)}/bin/{name}")
    layer.package_tree(f"{home.relative_to(tree)}/lib", skip=r"^bitcode/|^pgxs/|^llvmjit")
    layer.package_tree(f"usr/share/postgresql/{home.name}", skip=r"^man/")
    layer.package_tree("usr/share/zoneinfo", skip=ZONES_TWICE)
    layer.folder("var/lib/postgresql/data", "var/run/postgresql")
    return _started(layer, "postgres", "postgres", 5432, {"StopSignal": "SIGINT"})


def mariadb(tree: Path) -> tuple[Layer, Settings]:
    layer = Layer(tree).programs("usr/sbin/gosu", "usr/sbin/mariadbd", "usr/bin/mariadb")
    layer.link("usr/bin/mysql", "mariadb").folder("var/lib/mysql", "run/mysqld")
    layer.package_tree("usr/share/mysql/charsets").package_tree("usr/share/mysql/english")
    for path in sorted((tree / "usr/share/mysql").glob("*.sql")):
        layer.package_file(f"usr/share/mysql/{path.name}")
    return _started(layer, "mariadb", "mariadbd", 3306, {})


def couchdb(tree: Path) -> tuple[Layer, Settings]:
    layer = Layer(tree).programs("usr/sbin/gosu", "usr/bin/node").package_tree("usr/share/nodejs")
    layer.package_tree(f"{MODULES}/node_modules", skip=NOT_RUN)
    layer.folder("opt/couchdb", "opt/couchdb/data")
    return _started(layer, "couchdb", "couchdb", 5984, {"WorkingDir": "/opt/couchdb"})


def _started(layer: Layer, folder: str, command: str, port: int, more: Settings) -> tuple[Layer, Settings]:
    layer.text("usr/local/bin/docker-entrypoint.sh", script(f"{folder}/docker-entrypoint.sh"), 0o755)
    return layer, {
        "ExposedPorts": {f"{port}/tcp": {}}, "Entrypoint": ["docker-entrypoint.sh"], "Cmd": [command], **more,
    }  # fmt: skip

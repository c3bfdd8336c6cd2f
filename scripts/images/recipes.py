"""The stand-ins: which packages, which files, and what runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from scripts.images import databases, languages
from scripts.images.layers import Layer, script
from scripts.images.storage import Storage

PACKAGES = (
    "apache2-bin", "busybox-static", "docker-registry", "gosu", "libapache2-mod-php", "libc-bin",
    "libpython3-stdlib", "mariadb-client-core", "mariadb-server-core", "media-types", "nginx", "nodejs", "php-cli",
    "php-getid3", "php-mysql", "postgresql", "python3-minimal", "redis-server", "redis-tools", "tzdata",
    "wordpress", "wordpress-theme-twentytwentythree",
)  # fmt: skip
FOLDERS = ("bin", "dev", "etc", "home", "lib", "lib64", "proc", "root", "run", "sbin", "srv", "sys", "usr", "usr/bin")
USERS = "root:x:0:0:root:/root:/bin/sh\n{}nobody:x:65534:65534:nobody:/:/bin/false\n"
GROUPS = "root:x:0:\nadm:x:4:\ntty:x:5:\n{}nogroup:x:65534:\n"
ACCOUNTS = {"redis": 101, "www-data": 33, "postgres": 999, "mysql": 999, "couchdb": 5984}
"""The published images' own numbers."""
GUESTBOOK = "us-docker.pkg.dev/google-samples/containers/gke"
LEADER = ["GUESTBOOK_WRITES_TO=redis-leader", "GUESTBOOK_READS_FROM=redis-follower"]
REDIS = ["redis-server", "--protected-mode", "no", "--dir", "/data", "--repl-diskless-sync-delay", "0"]


def build(tree: Path, storage: Storage) -> list[str]:
    """Write every image; returns their names."""
    base = _base(tree)
    redis = Layer(tree).folder("data").program("usr/bin/redis-server").program("usr/bin/redis-cli").without(base)
    replica = Layer(tree).text("usr/bin/redis-replica", script("redis-replica"), 0o755)
    nginx = _nginx(tree).without(base)
    php = languages.php(tree).without(base)
    page = Layer(tree).folder("srv/guestbook").text("usr/bin/guestbook", script("guestbook"), 0o755)
    page.text("srv/guestbook/index.php", script("index.php")).text("srv/guestbook/redis.php", script("redis.php"))

    port: dict[str, object] = {"ExposedPorts": {"6379/tcp": {}}, "WorkingDir": "/data"}
    web: dict[str, object] = {"ExposedPorts": {"80/tcp": {}}}
    leader = Layer(tree).text("usr/bin/redis-follower", script("redis-follower"), 0o755)
    images: list[tuple[str, list[Layer], dict[str, object]]] = [
        ("busybox:latest", [base], {"Cmd": ["sh"]}),
        ("redis:latest", [base, redis], {**port, "Cmd": REDIS}),
        ("dockerfile/redis:latest", [base, redis], {**port, "Cmd": REDIS}),
        ("kubernetes/redis-slave:v2", [base, redis, replica], {**port, "Cmd": ["redis-replica"]}),
        ("nginx:latest", [base, nginx], {**web, "Cmd": ["nginx", "-g", "daemon off;"], "StopSignal": "SIGQUIT"}),
        ("kubernetes/example-guestbook-php-redis:v2", [base, php, page], {**web, "Cmd": ["guestbook"]}),
        # What the catalog's templates name, and the palette of the compose page.
        ("busybox:1.37.0", [base], {"Cmd": ["sh"]}),
        ("redis:7.2.5", [base, redis], {**port, "Cmd": REDIS}),
        ("nginx:1.27.5", [base, nginx], {**web, "Cmd": ["nginx", "-g", "daemon off;"], "StopSignal": "SIGQUIT"}),
        (f"{GUESTBOOK}/gb-redis-follower:v2", [base, redis, leader], {**port, "Cmd": ["redis-follower"]}),
        (f"{GUESTBOOK}/gb-frontend:v5", [base, php, page], {**web, "Cmd": ["guestbook"], "Env": LEADER}),
    ]
    for name, (layer, settings) in {
        "python:3.11.9-slim-bookworm": languages.python(tree),
        "postgres:15.19": databases.postgres(tree),
        "mariadb:10.11.9": databases.mariadb(tree),
        "couchdb:3.3.3": databases.couchdb(tree),
    }.items():
        images.append((name, [base, layer.without(base)], settings))
    blog, settings = languages.wordpress(tree)
    images.append(("wordpress:6.8.3-php8.2-apache", [base, php, blog.without(base).without(php)], settings))
    for name, layers, settings in images:
        # Docker's own name for an image without a folder is library/<name>; mirrors are asked for either.
        names = (name,) if "/" in name else (name, f"library/{name}")
        storage.add(names, layers, settings)
    return [name for name, _, _ in images]


def _base(tree: Path) -> Layer:
    """A shell with the usual small tools, the C library, and the files that programs expect."""
    layer = Layer(tree).folder(*FOLDERS).folder("tmp", "var", "var/tmp", "var/log", "var/run", mode=0o1777)
    layer.package_file("bin/busybox").program("usr/bin/getent")
    applets = subprocess.run([tree / "bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout
    for name in applets.split():
        if f"bin/{name}" not in layer.entries and name != "getent":
            layer.link(f"bin/{name}", "busybox")
    users = "".join(f"{name}:x:{number}:{number}::/:/bin/false\n" for name, number in ACCOUNTS.items())
    groups = "".join(f"{name}:x:{number}:\n" for name, number in ACCOUNTS.items())
    layer.text("etc/passwd", USERS.format(users)).text("etc/group", GROUPS.format(groups))
    layer.text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    layer.text("etc/hosts", "127.0.0.1 localhost\n").text("etc/resolv.conf", "")
    return layer


def _nginx(tree: Path) -> Layer:
    layer = Layer(tree).folder("etc/nginx", "etc/nginx/conf.d", "usr/share/nginx/html", "var/cache/nginx")
    layer.program("usr/sbin/nginx").package_file("etc/nginx/mime.types")
    layer.package_file("usr/share/nginx/html/index.html")
    layer.text("etc/nginx/nginx.conf", script("nginx.conf"))
    layer.text("etc/nginx/conf.d/default.conf", script("nginx-default.conf"))
    layer.folder("var/log/nginx", "var/lib/nginx").link("var/log/nginx/error.log", "/dev/stderr")
    return layer.link("var/log/nginx/access.log", "/dev/stdout")

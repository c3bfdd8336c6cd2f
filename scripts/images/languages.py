"""Python, and PHP with and without a web server and WordPress."""

from __future__ import annotations

from pathlib import Path

from scripts.images.layers import ZONES_TWICE, Layer, script

EXTENSIONS = (
    "mysqlnd", "ctype", "exif", "fileinfo", "iconv", "mysqli", "pdo", "pdo_mysql", "posix", "tokenizer",
)  # fmt: skip
"""Of PHP, the first ones before those that need them."""
MODULES = ("mod_authz_core", "mod_dir", "mod_mime", "mod_mpm_prefork", "mod_rewrite")
Settings = dict[str, object]


def php(tree: Path) -> Layer:
    found = sorted((tree / "usr/bin").glob("php[0-9]*"))
    return Layer(tree).program(str(found[-1].relative_to(tree)), "usr/bin/php")


def python(tree: Path) -> tuple[Layer, Settings]:
    (program,) = (tree / "usr/bin").glob("python3.*")
    layer = Layer(tree).program(f"usr/bin/{program.name}")
    for name in ("python3", "python"):
        layer.link(f"usr/bin/{name}", program.name)
    layer.package_tree(
        f"usr/lib/{program.name}", skip=r"^(idlelib|lib2to3|pydoc_data|test|tkinter|turtledemo)/"
    )
    layer.folder("etc/ssl", "etc/ssl/certs")
    return layer, {"Cmd": ["python3"], "Env": ["LANG=C.UTF-8"]}


def wordpress(tree: Path) -> tuple[Layer, Settings]:
    """Debian's WordPress, its links resolved, under Apache with PHP as a module, as in ``wordpress:php-apache``."""
    layer = Layer(tree).folder("var/www", "var/www/html", "run/apache2", "etc/apache2")
    layer.program("usr/sbin/apache2").programs(*(f"usr/lib/apache2/modules/{name}.so" for name in MODULES))
    (module,) = (tree / "usr/lib/apache2/modules").glob("libphp*.so")
    layer.program(str(module.relative_to(tree)), "usr/lib/apache2/modules/libphp.so")
    (extensions,) = (tree / "usr/lib/php").glob("20*")
    for name in EXTENSIONS:
        layer.program(f"{extensions.relative_to(tree)}/{name}.so")
    (version,) = (tree / "usr/lib/php").glob("[0-9].*")
    settings = "".join(f"extension={name}.so\n" for name in EXTENSIONS)
    for kind in ("apache2", "cli"):
        layer.text(f"etc/php/{version.name}/{kind}/conf.d/extensions.ini", settings)
    layer.text("etc/apache2/apache2.conf", script("wordpress/apache2.conf")).package_file("etc/mime.types")
    layer.package_tree("usr/share/zoneinfo", skip=ZONES_TWICE)
    home = "usr/src/wordpress"
    layer.package_tree("usr/share/wordpress", home, skip=r"^\.htaccess$|ca-bundle\.crt$")
    layer.package_tree("var/lib/wordpress/wp-content/themes", f"{home}/wp-content/themes")
    layer.folder(f"{home}/wp-content/uploads").text(f"{home}/wp-content/index.php", "<?php\n")
    layer.text(f"{home}/wp-config-docker.php", script("wordpress/wp-config-docker.php"))
    layer.text("usr/local/bin/docker-entrypoint.sh", script("wordpress/docker-entrypoint.sh"), 0o755)
    layer.text("usr/local/bin/apache2-foreground", '#!/bin/sh\nexec apache2 -DFOREGROUND "$@"\n', 0o755)
    return layer, {
        "ExposedPorts": {"80/tcp": {}}, "Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["apache2-foreground"],
        "WorkingDir": "/var/www/html", "StopSignal": "SIGWINCH",
    }  # fmt: skip

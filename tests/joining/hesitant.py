"""What runs first in a machine that boots when it is told to."""

import sys
from pathlib import Path

from paas.machines import boot

TOLD = "told"


def main(name: str, configuration: Path) -> None:
    (configuration.parent / TOLD).read_bytes()  # a pipe: nothing comes until somebody writes
    boot.main(name, str(configuration))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

"""`python -m services.serve.child PROGRAM ARGUMENT…`: becomes a program that stops when its supervisor dies.

For programs that are not ours and cannot ask the kernel for it themselves.
"""

import os
import sys

from libs.runtime.errors import CannotStart
from libs.runtime.parent import stop_with_parent

if __name__ == "__main__":
    try:
        stop_with_parent()
    except CannotStart as error:
        sys.exit(str(error))
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - no shell is wanted

"""`python -m gomap` is `gomap`."""

import sys

from gomap.cli import main

sys.exit(main())

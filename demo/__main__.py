# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m demo`: the whole demonstration. Exit status 0: every answer was right and came from where it should."""

import signal
import sys

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is there yet to clean up, and the imports take a moment
    from demo.demonstration import main

    sys.exit(main())

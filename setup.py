# SPDX-License-Identifier: GPL-3.0-or-later
"""Build what pyproject.toml cannot say: the zone scanner and the data that lives outside the package."""

import os
import shutil
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent

# Folder of the checkout → folder of the installed package.
BUNDLED = {"ebpf": ("*.c", "*.h"), "hw-profiles": ("*.toml",)}


class BuildWithBundle(build_py):
    """Copy the bundled folders beside the modules; a checkout finds them in its root instead."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for folder, patterns in BUNDLED.items():
            target = Path(self.build_lib, "appliance", folder)
            target.mkdir(parents=True, exist_ok=True)
            for pattern in patterns:
                for source in sorted((ROOT / folder).glob(pattern)):
                    shutil.copy2(source, target / source.name)


# Module → libraries (the scanner sits on libzscanner, Debian package libknot-dev; of libcrypto and zlib, which Python
# needs, no development package is needed).
COMPILED: dict[str, list[str]] = {
    "appliance.zone.master.scanner": ["zscanner"],
    "appliance.zone.packed.order": [],
    "appliance.zone.packed.sums": [],
    "appliance.zone.packed.octets": [],
    "appliance.zone.packed.runs": [],
    "appliance.zone.packed.names": [],
    "appliance.zone.packed.cuts": [],
    "appliance.zone.packed.size": [],
    "appliance.zone.packed.nsec3": [":libcrypto.so.3"],
    "appliance.zone.checks.screen": [],
    "appliance.zone.packed.discard": [],
    "appliance.zone.diff.listing": [":libz.so.1"],
    "appliance.zone.diff.listing_records": [],
    "appliance.zone.diff.comparison": [],
    "appliance.zone.master.files": [],
    "appliance.compiler.bulk.index": [],
    "appliance.compiler.bulk.heap": [],
    "appliance.compiler.bulk.body": [],
    "appliance.compiler.bulk.writer": [],
    "appliance.compiler.bulk.nsec3": [],
    "appliance.compiler.bulk.classes": [],
    "appliance.compiler.bulk.cuts": [],
    "appliance.compiler.change.node_pairs": [],
    "appliance.compiler.change.ns_changes": [],
    "appliance.compiler.template.copies": [],
}


def extensions() -> list[Extension]:
    """Return the compiled modules, plain Python sources whose C types stand in a .pxd file each.

    How far they are optimised is the interpreter's choice (Debian: -O2), or that of CFLAGS.
    """
    modules = [
        Extension(name, [source], libraries=libraries, extra_compile_args=["-g0"])
        for name, libraries in COMPILED.items()
        if (ROOT / (source := name.replace(".", "/") + ".py")).exists()
    ]
    compiled: list[Extension] = cythonize(modules, language_level=3, build_dir="build/cython") if modules else []
    return compiled


setup(
    ext_modules=extensions(),
    cmdclass={"build_py": BuildWithBundle},
    options={"build_ext": {"parallel": os.cpu_count()}},
)

"""skops.io, imported without the array libraries that scikit-learn supports beside NumPy.

When skops 0.16 is imported, it has scikit-learn list its estimators, and for that scikit-learn 1.9 imports all packages
below its own, among them those that pass on PyTorch, Dask and CuPy. They hold no estimator, but where PyTorch is
installed they cost 3.4 s of CPU time and 200 MB in each command that reads or writes a model (2026-11-29). So they
cannot be imported while skops is.
"""

import sys
from types import ModuleType

PACKAGES = tuple(f"sklearn.externals.array_api_compat.{name}" for name in ("cupy", "dask", "torch"))


def _import_skops() -> ModuleType:
    blocked = [name for name in PACKAGES if name not in sys.modules]
    # An import of a module whose entry is None raises an ImportError, with which scikit-learn goes on to the next one.
    sys.modules.update(dict.fromkeys(blocked))  # type: ignore[arg-type]
    try:
        import skops.io.exceptions
    finally:
        for name in blocked:
            del sys.modules[name]
    return skops.io


skops_io = _import_skops()

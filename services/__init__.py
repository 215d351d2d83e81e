"""The services that serve what the registry promotes. They share file formats with scripts/, and no code."""

import importlib.util
import sys

# Python sets this while it looks for the module of `python -m services...`. Outside the environment the import of that
# module would end with a traceback.
if sys.argv[:1] == ["-m"] and importlib.util.find_spec("uvicorn") is None:
    # Late: the images, in which nothing is missing, lack this module.
    from callcenterai.core.cli import describe_missing_package

    print(f"error: {describe_missing_package('no package uvicorn')}", file=sys.stderr)
    sys.exit(2)

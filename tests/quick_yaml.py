"""YAML by the library's C code where it has any: ten times as fast as its Python."""

from functools import partial

import yaml

load = partial(yaml.load, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
dump = partial(yaml.dump, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)

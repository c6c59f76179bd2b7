"""One formula a function, of scalars: what the paper and its corrections rest on."""

from tokwatt import x64 as x64

"""JAX with 64-bit floats, wide vectors, and compiled functions kept between processes."""

import os

import jax
from platformdirs import user_cache_dir

jax.config.update("jax_enable_x64", True)
if jax.config.values["jax_compilation_cache_dir"] is None:
    jax.config.update("jax_compilation_cache_dir", user_cache_dir("tokwatt"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
# XLA uses half of a vector of 512 bits where nobody asks for it, and reads this as it first
# compiles. What a user sets comes later, and holds.
os.environ["XLA_FLAGS"] = " ".join(
    ["--xla_cpu_prefer_vector_width=512", os.environ.get("XLA_FLAGS", "")]
)
RUN_ONCE = {"xla_cpu_use_fusion_emitters": False}
"""Options of a program that runs once on single numbers: it compiles sooner, arrays take longer."""

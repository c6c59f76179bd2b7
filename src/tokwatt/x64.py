"""JAX with 64-bit floats, and compiled functions kept between processes."""

import jax
from platformdirs import user_cache_dir

jax.config.update("jax_enable_x64", True)
if jax.config.values["jax_compilation_cache_dir"] is None:
    jax.config.update("jax_compilation_cache_dir", user_cache_dir("tokwatt"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

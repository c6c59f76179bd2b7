"""How many parameters a transformer has, and how many a token touches."""

import jax.numpy as jnp

from tokwatt.equations.elementary import expm1, log1p
from tokwatt.units import Dimensionless, Parameters, Sequences


def attention_parameters(
    hidden: Dimensionless,
    query_heads: Dimensionless,
    kv_heads: Dimensionless,
    head_dim: Dimensionless,
) -> Parameters:
    r"""Parameters of one attention layer: queries and output, keys and values.

    .. math:: 2 d_m h_q d + 2 d_m h_{kv} d

    Args:
        hidden: width of the residual stream.
        query_heads: query heads.
        kv_heads: key-value heads.
        head_dim: width of one head.

    Returns:
        Parameters of the four projections; norms and biases are left out.

    Source: grouped-query attention, arXiv:2305.13245.
    """
    return 2 * hidden * query_heads * head_dim + 2 * hidden * kv_heads * head_dim


def latent_attention_parameters(
    hidden: Dimensionless,
    query_heads: Dimensionless,
    kv_latent: Dimensionless,
    rope_dim: Dimensionless,
    query_latent: Dimensionless,
    nope_dim: Dimensionless,
    value_dim: Dimensionless,
) -> Parameters:
    r"""Parameters of one layer of multi-head latent attention.

    .. math:: N_q + d_m (r_{kv} + d_r) + r_{kv} h_q (d_n + d_v) + h_q d_v d_m

    with :math:`N_q = r_q (d_m + h_q (d_n + d_r))`, or :math:`d_m h_q (d_n + d_r)` where queries
    have no latent.

    Args:
        hidden: width of the residual stream.
        query_heads: query heads.
        kv_latent: width of the latent that keys and values share.
        rope_dim: width of a head that carries the position.
        query_latent: width of the latent of the queries, 0 where there is none.
        nope_dim: width of a query and key head without position.
        value_dim: width of a value head.

    Returns:
        Parameters of all projections; norms and biases are left out.

    Source: DeepSeek-V2, arXiv:2405.04434, Section 2.1.
    """
    heads_width = query_heads * (nope_dim + rope_dim)
    queries = jnp.where(
        query_latent > 0, query_latent * (hidden + heads_width), hidden * heads_width
    )
    keys_and_values = hidden * (kv_latent + rope_dim) + kv_latent * query_heads * (
        nope_dim + value_dim
    )
    return queries + keys_and_values + query_heads * value_dim * hidden


def feed_forward_parameters(
    hidden: Dimensionless, width: Dimensionless, matrices: Dimensionless
) -> Parameters:
    r"""Parameters of one feed-forward block of so many matrices, :math:`m d_m F`.

    Args:
        hidden: width of the residual stream.
        width: inner width of the block.
        matrices: 3 where the block is gated (gate, up, down), 2 where it is not.

    Returns:
        Parameters of its projections.

    Source: SwiGLU, arXiv:2002.05202; squared ReLU without a gate, arXiv:2109.08668.
    """
    return matrices * hidden * width


def expert_coverage(share: Dimensionless, batch: Sequences) -> Dimensionless:
    r"""Expected share of routed experts that a batch touches, :math:`1 - (1 - k/E)^n`.

    Args:
        share: experts of a token over all experts, k/E, 0 to 1.
        batch: tokens routed at once, n.

    Returns:
        A share from 0 to 1: k/E at one token, 1 as the batch grows.

    Source: expectation under even and independent routing; a skewed router touches fewer.
    """
    return -expm1(batch * log1p(-share))

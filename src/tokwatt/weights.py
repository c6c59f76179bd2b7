"""How many parameters a transformer has, and how many a token touches."""

from tokwatt.units import Dimensionless, Parameters


def attention_parameters(hidden: Dimensionless, query_heads: Dimensionless, kv_heads: Dimensionless, head_dim: Dimensionless) -> Parameters:
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


def gated_parameters(hidden: Dimensionless, width: Dimensionless) -> Parameters:
    r"""Parameters of one gated feed-forward block (gate, up, down), :math:`3 d_m F`.

    Args:
        hidden: width of the residual stream.
        width: inner width of the block.

    Returns:
        Parameters of its three projections.

    Source: SwiGLU, arXiv:2002.05202.
    """
    return 3 * hidden * width


def parameter_count(vocabulary: Dimensionless, hidden: Dimensionless, layers: Dimensionless, layer_parameters: Parameters) -> Parameters:
    r"""Parameters of a transformer with one embedding table, :math:`V d_m + L N_\ell`.

    Args:
        vocabulary: entries of the table; one that is not tied to the output head counts once.
        hidden: width of the residual stream.
        layers: number of layers.
        layer_parameters: parameters of one layer.

    Returns:
        The count, exact while below 2**53.

    Source: the program of arXiv:2603.17280.
    """
    return vocabulary * hidden + layers * layer_parameters

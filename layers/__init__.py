"""Keras layers: one public layer per file; names are resolved at their first use.

Importing the package loads no TensorFlow; it only settles that Keras runs on it.
"""

import importlib
import os
import sys
from typing import Any

__zoo__ = "latent-agent-zoo"

_HOME = {
    "BernoulliHead": "bernoulli_head",
    "ConvDecoder": "conv_decoder",
    "ConvEncoder": "conv_encoder",
    "DeepLSTMCell": "deep_lstm_cell",
    "DenseDecoder": "dense_decoder",
    "FTWEncoder": "ftw_encoder",
    "FactoredHead": "factored_head",
    "GumbelSoftmax": "gumbel_softmax",
    "ImpalaEncoder": "impala_encoder",
    "LayerNormGRUCell": "layer_norm_gru_cell",
    "LSTMState": "deep_lstm_cell",
    "MERLINMemoryCell": "merlin_memory_cell",
    "MLP": "mlp",
    "Memory": "memory",
    "MemoryReader": "memory_reader",
    "OneHotHead": "one_hot_head",
    "OneHotStraightThrough": "one_hot_straight_through",
    "ResidualBlock": "residual_block",
    "ResidualDecoder": "residual_decoder",
    "ResidualEncoder": "residual_encoder",
    "RSSMCell": "rssm_cell",
    "RSSMState": "rssm_cell",
    "SmallConvEncoder": "small_conv_encoder",
    "TanhNormalHead": "tanh_normal_head",
    "TransposedConv2D": "transposed_conv2d",
    "TwoTimescaleLSTM": "two_timescale_lstm",
    "TwoTimescaleState": "two_timescale_lstm",
    "TruncatedNormalHead": "truncated_normal_head",
    "UnitNormalHead": "unit_normal_head",
    "VectorQuantizer": "vector_quantizer",
}
__all__ = sorted(_HOME)


def _require_tensorflow_backend() -> None:
    """Chooses TensorFlow where nothing was chosen; refuses any other backend."""
    if "keras" in sys.modules:
        backend = sys.modules["keras"].backend.backend()
    else:
        backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise ImportError(
            f"These layers need the TensorFlow backend of Keras, but {backend!r} was "
            "chosen: unset KERAS_BACKEND (or set it to 'tensorflow') before Keras is "
            "imported."
        )


_require_tensorflow_backend()


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__

"""The settings of multi-head latent attention, for families whose layers may have it.

Chapter     walkthroughs/26_attention_through_a_narrow_door.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from npformer.fields import check
from npformer.models.global_config import GlobalConfig
from npformer.models.rotary_config import TURNING
from npformer.ops.rotary_tables import rotary_frequencies

WITHOUT = {
    "kv_heads": None,
    "attention_bias": "none",
    "qk_norm": "none",
    "softcap": None,
    "sinks": False,
    "attention_gate": False,
    "value_norm": False,
    "values_from_keys": False,
    "window": None,
}
"""What attention may have and latent attention has not."""


@dataclass(frozen=True, kw_only=True)
class LatentConfig(GlobalConfig):
    """Of which latent keys and values are made; without ``latent_size``, of the stream itself.

    Then the columns that turn are a key that all heads share, and ``rotary_fraction`` says how
    many of a head's ``head_size`` these are. Raises ConfigError for settings that do not go
    together.
    """

    latent_size: int | None = None
    """Columns of the latent of which all keys and values are made (multi-head latent attention);
    none unless given."""
    query_latent_size: int | None = None
    """Columns of the latent of which queries are made; of the stream itself unless given."""
    value_size: int | None = None
    """Columns of a head's values, with latent_size; head_size unless given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = ("latent_size", "query_latent_size", "value_size")
        given = [name for name in sizes if getattr(self, name) is not None]
        for name in given:
            size = getattr(self, name)
            check(size >= 1, f"{name} is {size}; it must be 1 or more, or not given")
        if self.latent_size is None:
            check(
                not given,
                f"{', '.join(given)} is for latent attention, and there is no latent; give "
                "latent_size",
            )
            return
        check(
            self.positions in TURNING and self.rotary_width < self.size_of_head,
            f"latent_size is {self.latent_size}, positions is {self.positions!r} and "
            f"rotary_fraction {self.rotary_fraction}; the key that heads share holds the columns "
            "that turn, which are some of a head's: give rotary or rotary_interleaved, and less "
            "than 1",
        )
        check(
            self.weight_bits is None,
            "latent attention decodes with products of its matrices, which no rounding of each is "
            "equal to; leave weight_bits or latent_size out",
        )
        for name, value in WITHOUT.items():
            check(
                getattr(self, name) == value,
                f"{name} is {getattr(self, name)!r}, which latent attention has not; with "
                f"latent_size it must be {value!r}",
            )

    def attention(self, layer: int) -> dict[str, Any]:
        """The settings of a layer's ``LatentAttention``, or of its ``MultiHeadAttention``."""
        if self.latent_size is None:
            return super().attention(layer)
        return {
            "latent_size": self.latent_size,
            "shared_size": self.rotary_width,
            "query_latent_size": self.query_latent_size,
            "positions": self._positions(layer, local=False),
            "norm_type": self.norm_type,
            "eps": self.layer_norm_eps,
            "scale": self._scale(layer),
        }

    def stack_settings(self, layers: int) -> dict[str, Any]:
        """As of a stack without latents, but for the size of values."""
        settings = super().stack_settings(layers)
        if self.value_size is not None:
            settings["d_v"] = self.value_size
        return settings

    def rotation(self, local: bool) -> dict[str, Any]:
        """As without latents, but for the factor that ``_scale`` takes over."""
        settings = super().rotation(local)
        if self._moved != 1:
            settings["scaling"] = {**settings["scaling"], "attention_factor": 1.0}
        return settings

    def _scale(self, layer: int) -> float | None:
        """Cosines and sines that are m times as large make scores m^2 times as large.

        But by the columns that turn alone, and here most do not. So unless someone gave that
        factor, they are left as they are, and m^2 is one of the whole score (DeepSeek-V3).
        """
        scale = super()._scale(layer)
        if self._moved == 1:
            return scale
        return (self.size_of_head**-0.5 if scale is None else scale) * self._moved**2

    @property
    def _moved(self) -> float:
        """m, where it is moved into the scale: YaRN's and longrope's own."""
        if self.latent_size is None or self.rotary_attention_factor is not None:
            return 1.0
        return rotary_frequencies(self.rotary_width, self.rotary_theta, self._scaling())[1]

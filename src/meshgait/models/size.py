"""How large the network is: the settings that both stages must agree on."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from meshgait.errors import ConfigError

MOST = {
    "frame": 256, "channels": 4096, "strides": 4, "blocks": 100, "joints": 1000, "markers": 1000,
    "volume_depth": 256, "volume_stride": 4, "lift_every": 1000, "lifter_channels": 4096, "lifter_hidden": 16384,
    "reader_channels": 4096, "strips": 64, "posture_parts": 64, "embedding": 8192,
}  # fmt: skip
"""Largest values; a larger one is a mistake, or a model made to fill the memory."""

FEATURE_STRIDE = 4  # of the maps that are fused, in pixels


@dataclass(frozen=True)
class NetworkSize:
    """Sizes of the network; the defaults are those of the published GaitBase with a 16 x 32 x 22 volume.

    Attributes:
        frame: (H, W) of a silhouette in pixels, (64, 44) or (128, 88).
        channels: of the stem with stage 1, then of stages 2, 3, 4 of the 2D branch.
        strides: of the stem, then of stages 1, 2, 3, 4; their product must be 4.
        blocks: residual blocks of stages 1, 2, 3, 4.
        pseudo_3d: whether the blocks of stages 2, 3, 4 also look at successive frames (DeepGaitV2's P3D).
        joints: number of joint volumes.
        markers: number of virtual-marker volumes.
        volume_depth: voxels of a volume towards the camera; they span as many pixels as the frame is high.
        volume_stride: pixels per voxel in height and width, 2 or 4.
        lift_every: step between the frames that the recogniser's 3D branch looks at (maps are pooled over time
            before they are fused, and neighbouring frames are much alike).
        lifter_channels: width of the encoder-decoder that makes the volumes.
        lifter_hidden: width of its global context vector.
        reader_channels: width of the branch that reads the volumes.
        strips: horizontal strips of the pyramid.
        posture_parts: further parts of the embedding that are read from the points (0: none).
        embedding: length of the vector of one strip.
    """

    frame: tuple[int, int] = (64, 44)
    channels: tuple[int, int, int, int] = (64, 128, 256, 512)
    strides: tuple[int, int, int, int, int] = (1, 1, 2, 2, 1)
    blocks: tuple[int, int, int, int] = (1, 1, 1, 1)
    pseudo_3d: bool = False
    joints: int = 24
    markers: int = 64
    volume_depth: int = 16
    volume_stride: int = 2
    lift_every: int = 2
    lifter_channels: int = 64
    lifter_hidden: int = 512
    reader_channels: int = 128
    strips: int = 16
    posture_parts: int = 4
    embedding: int = 256

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name == "pseudo_3d":
                if not isinstance(value, bool):
                    raise TypeError(f"{name} is {str(value)[:40]}; it must be true or false")
                continue
            numbers, default = (value if isinstance(value, list | tuple) else [value]), getattr(type(self), name)
            wanted = len(default) if isinstance(default, tuple) else 1
            if len(numbers) != wanted or any(type(number) is not int for number in numbers):
                raise TypeError(f"{name} is {str(value)[:40]}; it takes whole numbers, {wanted} of them")
            least, most = 0 if name == "posture_parts" else 1, MOST[name]
            if min(numbers) < least or max(numbers) > most:
                raise ConfigError(f"{name} is {value}", f"it must be at least {least} and at most {most}")
        product = 1
        for stride in self.strides:
            product *= stride
        if product != FEATURE_STRIDE:
            raise ConfigError(f"strides {self.strides} multiply to {product}, they must give {FEATURE_STRIDE}")
        if self.volume_stride not in (2, 4):
            raise ConfigError(f"volume_stride is {self.volume_stride}", "use 2 or 4 pixels per voxel")
        if self.early_stride > self.volume_stride:
            raise ConfigError(
                f"volume_stride {self.volume_stride} is finer than the early features "
                f"(stride {self.early_stride})",
                "raise volume_stride or lower the first two strides",
            )
        height, width = self.frame
        if height % (FEATURE_STRIDE * self.strips) or width % FEATURE_STRIDE:
            raise ConfigError(
                f"frame {self.frame} does not fit {self.strips} strips at stride {FEATURE_STRIDE}",
                "use (64, 44) or (128, 88)",
            )

    @property
    def early_stride(self) -> int:
        """Stride of the features that both branches start from."""
        return self.strides[0] * self.strides[1]

    @property
    def points(self) -> int:
        """Number of volumes: joints and markers."""
        return self.joints + self.markers

    @property
    def volume(self) -> tuple[int, int, int]:
        """(D, H', W') of a volume in voxels."""
        return self.volume_depth, self.frame[0] // self.volume_stride, self.frame[1] // self.volume_stride

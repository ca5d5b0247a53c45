"""BT.709 by its own formulas, to check what FFmpeg writes without asking FFmpeg.

Source: ITU-R BT.709-6, sections 3 and 4.
"""

from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from facekit.types import Clip


def smooth_clip(num_frames: int = 3, height: int = 96, width: int = 176, fps: float = 8.0) -> Clip:
    """Slopes in red and green, and blue that changes from frame to frame."""
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    frames[..., 0] = np.linspace(0, 255, width)
    frames[..., 1] = np.linspace(0, 255, height)[:, None]
    frames[..., 2] = (40 + 20 * np.arange(num_frames))[:, None, None]
    return Clip(frames=frames, fps=fps)


def to_rgb(frame: VideoFrame) -> np.ndarray:
    """Turn planar YUV in video range into RGB of 0..255, float64, not clipped."""
    bits = frame.format.components[0].bits
    planes = []
    for plane in frame.planes:
        kind = np.dtype("<u2") if bits > 8 else np.dtype(np.uint8)
        rows = np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width]
        tall, wide = frame.height // plane.height, frame.width // plane.width
        planes.append(rows.astype(np.float64).repeat(tall, 0).repeat(wide, 1) / 2 ** (bits - 8))
    luma = (planes[0] - 16) / 219
    blue = luma + (planes[1] - 128) / 224 * 1.8556
    red = luma + (planes[2] - 128) / 224 * 1.5748
    green = (luma - 0.2126 * red - 0.0722 * blue) / 0.7152
    return 255 * np.stack([red, green, blue], axis=-1)


def read_rgb(path: Path) -> np.ndarray:
    """Read a movie, float64 of shape (frames, height, width, 3)."""
    with av.open(str(path)) as container:
        return np.stack([to_rgb(frame) for frame in container.decode(video=0)])

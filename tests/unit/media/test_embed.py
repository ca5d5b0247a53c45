"""Pictures as data URIs."""

import base64
import io

import numpy as np
from PIL import Image as Pillow

from facekit.media.embed import lossless_uri, webp_uri


def opened(uri: str) -> np.ndarray:
    head, _, data = uri.partition(",")
    assert head == "data:image/webp;base64"
    with Pillow.open(io.BytesIO(base64.b64decode(data))) as picture:
        return np.asarray(picture.convert("RGB"))


def test_a_plot_stays_exact_and_a_photo_becomes_small() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "PNG")
    assert (opened(lossless_uri(buffer.getvalue())) == image).all()
    assert opened(webp_uri(image, max_side_px=30)).shape == (20, 30, 3)
    assert len(webp_uri(image, quality=30)) < len(webp_uri(image, quality=90))

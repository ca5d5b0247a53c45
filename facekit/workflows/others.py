"""Faces of other people, which the contrastive loss keeps a character away from.

Shapes: N faces, D embedding.
"""

import numpy as np
import torch
from torch import Tensor

from facekit.backbones.wan import TOON
from facekit.errors import UsageError
from facekit.faces.align import align
from facekit.faces.protocols import FaceVendor
from facekit.toon.character import ToonCharacter
from facekit.toon.render import draw
from facekit.toon.scene import sample_scene
from facekit.types import Face
from facekit.workflows.backbone import Backbone

__all__ = ["other_faces"]

_COUNT = 128


def other_faces(backbone: Backbone, faces: FaceVendor, count: int = _COUNT) -> Tensor:
    """Embed drawn people, always the same ones and never a held-out one.

    Returns:
        (N, D) unit vectors of the training encoder.

    Raises:
        UsageError: The backbone is not of the drawn world, where nobody else is at hand.
    """
    if backbone.spec.name != TOON.name:
        raise UsageError(
            f"loss.contrastive is above 0, expected 0 for {backbone.spec.name}, which comes without"
            " a bank of other faces; set loss.contrastive to 0"
        )
    crops = []
    for seed in range(count):
        rng = np.random.default_rng([seed, 0x07E5])
        scene = sample_scene((ToonCharacter.from_seed(seed),), rng, shot_size="close-up")
        drawing = draw(scene, with_masks=False)
        truth = drawing.faces[0]
        face = Face(box_xyxy_px=truth.box_xyxy_px, landmarks_px=truth.landmarks_px, score=1.0)
        crops.append(
            align(drawing.image, face, size_px=faces.crop_size_px, margin=faces.crop_margin)
        )
    return torch.from_numpy(faces.encode(crops))

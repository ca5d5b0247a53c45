"""What hidden states of the toon backbone must know while it is trained: the truth of the drawing.

The world's truth is exact and free. Small heads read it from the hidden states of a middle block,
at every noise level: whose face it is, which mood and hair it has, and from every token where the
eyes, the nose and the mouth of the nearest face are. The heads are dropped after training.

Shapes: B batch, D embedding, F faces, T latent frames, N tokens (T x rows x columns), C channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.toon.corpus import ATTRIBUTES

__all__ = ["TruthHeads", "landmark_targets"]

_READ = ("mood", "hair_style", "hair_color", "glasses")
_COLUMNS = tuple(list(ATTRIBUTES).index(name) for name in _READ)


class TruthHeads(nn.Module):
    """Three readers of hidden states; each gives one loss."""

    def __init__(self, width: int, embedding_dim: int) -> None:
        """Build the heads with random weights."""
        super().__init__()
        self.identity = _reader(width, embedding_dim)
        self.landmarks = _reader(width, 10)
        self.attributes = nn.ModuleDict(
            {name: nn.Linear(width, len(ATTRIBUTES[name])) for name in _READ}
        )

    def losses(
        self,
        hidden_BNC: Tensor,
        *,
        face_tokens_BN: Tensor,
        embeddings_BD: Tensor,
        attributes_B8: Tensor,
        landmarks_BN10: Tensor,
        near_BN: Tensor,
    ) -> dict[str, Tensor]:
        """Return the unweighted losses `face_identity`, `face_attributes` and `face_landmarks`.

        Args:
            hidden_BNC: Hidden states.
            face_tokens_BN: Share of each token that the first figure's face covers.
            embeddings_BD: Its embedding, NaN where there is none.
            attributes_B8: Indices as in the corpus, -1 where there is nothing to see.
            landmarks_BN10: Of `landmark_targets`.
            near_BN: Of `landmark_targets`.
        """
        hidden = hidden_BNC.float()
        covered = face_tokens_BN.sum(1, keepdim=True)
        pooled = (hidden * face_tokens_BN[..., None]).sum(1) / covered.clamp(min=1e-3)
        visible = covered[:, 0] > 0.3
        known = visible & torch.isfinite(embeddings_BD).all(1)
        cosine = F.cosine_similarity(self.identity(pooled), torch.nan_to_num(embeddings_BD), dim=-1)
        losses = {"face_identity": ((1.0 - cosine) * known).sum() / known.sum().clamp(min=1)}
        targets = torch.where(visible[:, None], attributes_B8, -1)
        entropies = [
            F.cross_entropy(layer(pooled), targets[:, column], ignore_index=-1, reduction="sum")
            / (targets[:, column] >= 0).sum().clamp(min=1)
            for layer, column in zip(self.attributes.values(), _COLUMNS, strict=True)
        ]
        losses["face_attributes"] = torch.stack(entropies).mean()
        distance = F.smooth_l1_loss(
            self.landmarks(hidden), landmarks_BN10, reduction="none", beta=0.1
        ).mean(-1)
        losses["face_landmarks"] = (distance * near_BN).sum() / near_BN.sum().clamp(min=1e-3)
        return losses


def landmark_targets(
    faces_BTF14: Tensor, rows: int, columns: int, token_px: int
) -> tuple[Tensor, Tensor]:
    """Tell every token where the landmarks of its nearest face are.

    Args:
        faces_BTF14: Boxes (xyxy) and five landmarks in pixels, NaN where there is no face.
        rows: Token rows.
        columns: Token columns.
        token_px: Side of a token in pixels.

    Returns:
        Float32 (B, N, 10): x and y from the token's centre to each landmark, in heights of the
        face's box, squashed by tanh. And (B, N): weight of the token, 1 inside the face, falling
        with the distance, 0 where no face is.
    """
    batch, frames = faces_BTF14.shape[:2]
    sides = (torch.arange(side, device=faces_BTF14.device) for side in (rows, columns))
    ys, xs = torch.meshgrid(*sides, indexing="ij")
    centers_M2 = (torch.stack([xs, ys], -1).reshape(-1, 2).float() + 0.5) * token_px
    present = torch.isfinite(faces_BTF14).all(-1)
    faces = torch.nan_to_num(faces_BTF14)
    heights = (faces[..., 3] - faces[..., 1]).clamp(min=1.0)
    middles = (faces[..., :2] + faces[..., 2:4]) / 2.0
    away_BTFM = (middles[..., None, :] - centers_M2).norm(dim=-1) / heights[..., None]
    away_BTFM = torch.where(present[..., None], away_BTFM, torch.inf)
    nearest, index_BTM = away_BTFM.min(2)
    points = faces[..., 4:].reshape(*faces.shape[:-1], 5, 2)
    own_BTM52 = points.gather(2, index_BTM[..., None, None].expand(-1, -1, -1, 5, 2))
    scale = heights.gather(2, index_BTM)[..., None, None]
    offsets = torch.tanh((own_BTM52 - centers_M2[:, None]) / scale)
    weight = torch.exp(-(nearest - 0.5).clamp(min=0.0) * 2.0)
    tokens = frames * rows * columns
    return offsets.reshape(batch, tokens, 10), weight.reshape(batch, tokens)


def _reader(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, out))

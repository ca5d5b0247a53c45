"""The loss of held-out photos with the same noise every time, to compare two moments of a run.

The flow loss of training is noisy: another batch, other noise levels and other noise in every step.
Here the levels are the middles of equally likely parts of the trained distribution, and the noise
depends on the seed, the photo and the level alone. The character is in the picture as it is
sampled: all its tokens, its caption, nothing dropped.

Shapes: B samples, C latent channels, F latent frames, H and W latent height and width.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch

from facekit.adapters.conditioning import Conditioning
from facekit.training.chance import generator
from facekit.training.denoiser import attention_kernels, autocast
from facekit.training.encoded import EncodedPhotos
from facekit.training.in_place import all_tokens
from facekit.training.noise_levels import fixed_levels
from facekit.training.objective import Objective
from facekit.training.trainer import Validate, Validation

__all__ = ["FixedLoss"]


class FixedLoss:
    """Measures the flow loss of photos that training does not see, and of some that it does.

    Args:
        objective: Of the run; its backbone, its character and its settings are used.
        trained: The photos of the run. As many of their views are measured as are held out, so
            that a run which only learns its photos by heart is seen.
        held_out: The others, encoded in the same way.
        shift: Of the noise levels.
        sigma_range: No level is below and above.
    """

    def __init__(
        self,
        objective: Objective,
        trained: EncodedPhotos,
        held_out: EncodedPhotos,
        *,
        shift: float,
        sigma_range: tuple[float, float],
    ) -> None:
        self._objective = objective
        self._trained = trained
        self._held_out = held_out
        settings = objective.settings
        self._levels = fixed_levels(settings.loss_levels, settings.noise, shift, sigma_range)

    def beside(self, judge: Validate) -> Validate:
        """Add the losses to what a validation finds."""

        def both(step: int) -> Validation:
            found = judge(step)
            return replace(found, details={**found.details, **self.measure()})

        return both

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Measure the weights as they are.

        Returns:
            ``loss``, the mean over levels and held-out views; ``loss@0.25``, that of the level
            0.25 alone, for each level; ``loss_trained``, the mean over as many views of photos
            that are trained on.
        """
        by_level = self._losses(self._held_out, len(self._held_out.latents), "held out")
        trained = self._losses(self._trained, len(self._held_out.latents), "trained")
        names = (f"loss@{text}" for text in _level_texts(self._levels))
        return {
            "loss": _mean(by_level),
            **dict(zip(names, by_level, strict=True)),
            "loss_trained": _mean(trained),
        }

    def _losses(self, photos: EncodedPhotos, most: int, role: str) -> list[float]:
        """The mean loss of each level over the first views."""
        how = (self._objective.denoiser.network.device, self._objective.settings.precision)
        with self._in_picture(), autocast(*how), attention_kernels(*how):
            return [
                _mean(
                    [
                        loss
                        for views in _parts(photos, most, self._most)
                        for loss in self._of(photos, views, role, index)
                    ]
                )
                for index in range(len(self._levels))
            ]

    @property
    def _most(self) -> int:
        return self._objective.settings.batch_size

    def _of(self, photos: EncodedPhotos, views: list[int], role: str, index: int) -> list[float]:
        """The loss of each of some views of one size, at one level."""
        denoiser, seed = self._objective.denoiser, self._objective.settings.seed
        clean_BCFHW = torch.stack([photos.latents[view] for view in views])
        noise_BCFHW = torch.stack(
            [
                torch.randn(
                    clean_BCFHW.shape[1:], generator=generator(seed, "fixed", role, view, index)
                )
                for view in views
            ]
        ).to(clean_BCFHW.device)
        sigma_B = clean_BCFHW.new_full((len(views),), self._levels[index])
        noisy_BCFHW = denoiser.process.add_noise(clean_BCFHW, noise_BCFHW, sigma_B)
        said = denoiser.predict(noisy_BCFHW, sigma_B, photos.text(views)).float()
        target = denoiser.process.target(clean_BCFHW, noise_BCFHW, sigma_B)
        return [float(x) for x in (said - target.float()).square().mean(dim=(1, 2, 3, 4))]

    def _in_picture(self) -> Any:
        """The character as it is now, as validation puts it there."""
        it = self._objective
        tokens_KC = all_tokens(it.adapter, self._trained, it.tokens)
        if it.adapter is None or it.attachment is None or tokens_KC is None:
            return nullcontext()
        folded = it.adapter.fold(tokens_KC.to(it.denoiser.network.device)).detached()
        return it.attachment.conditioned_on(
            Conditioning(
                identity=folded,
                strength=it.settings.strength,
                window=it.settings.sigma_window,
            )
        )


def _parts(photos: EncodedPhotos, most: int, size: int) -> Iterator[list[int]]:
    """The first views in batches of one latent size each."""
    views = range(min(most, len(photos.latents)))
    for bucket in dict.fromkeys(photos.buckets[view] for view in views):
        alike = [view for view in views if photos.buckets[view] == bucket]
        yield from (alike[start : start + size] for start in range(0, len(alike), size))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _level_texts(levels: list[float]) -> list[str]:
    """Levels with as few digits as tell them apart, and two at least."""
    digits = 2
    while len({f"{level:.{digits}f}" for level in levels}) < len(levels) and digits < 9:
        digits += 1
    return [f"{level:.{digits}f}" for level in levels]

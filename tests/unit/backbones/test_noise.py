"""Noise processes against the schedulers of diffusers."""

import pytest
import torch
from diffusers import (
    CogVideoXDPMScheduler,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
)

from facekit.backbones.noise import NUM_TRAIN_TIMESTEPS, DiffusionNoise, FlowNoise

FLOW = FlowNoise()
V = DiffusionNoise("v_prediction", "scaled_linear", 0.00085, 0.012, True, 3.0)
EPSILON = DiffusionNoise("epsilon", "linear", 0.00085, 0.012)
SIGMAS = torch.tensor([0.02, 0.3, 0.7, 0.95])


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 4, 3, 2, 4, 4, generator=generator)
    return clean, noise


@pytest.mark.parametrize("process", [FLOW, V, EPSILON])
def test_a_true_prediction_gives_the_clean_latents_back(process: FlowNoise | DiffusionNoise):
    clean, noise = pair()
    noisy = process.add_noise(clean, noise, SIGMAS)
    prediction = process.target(clean, noise, SIGMAS)
    back = process.predict_clean(noisy, prediction, SIGMAS)
    torch.testing.assert_close(back, clean, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("process", [FLOW, V, EPSILON])
def test_timesteps_and_noise_levels_lead_back_to_each_other(process: FlowNoise | DiffusionNoise):
    again = process.sigma(process.timestep(SIGMAS))
    torch.testing.assert_close(again, SIGMAS, atol=0.03, rtol=0.0)
    assert process.sigma(torch.tensor([0.0])) < 0.05 < 0.9 < process.sigma(torch.tensor([999.0]))


def test_one_euler_step_with_the_true_velocity_moves_along_the_straight_path():
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(4)
    clean, noise = torch.zeros(1, 2, 1, 2, 2), torch.randn(1, 2, 1, 2, 2)
    sigmas = scheduler.sigmas
    noisy = FLOW.add_noise(clean, noise, sigmas[:1])
    velocity = FLOW.target(clean, noise, sigmas[:1])
    moved = scheduler.step(velocity, scheduler.timesteps[0], noisy).prev_sample
    torch.testing.assert_close(moved, FLOW.add_noise(clean, noise, sigmas[1:2]))
    assert scheduler.config.num_train_timesteps == NUM_TRAIN_TIMESTEPS
    torch.testing.assert_close(FLOW.timestep(sigmas[:-1]), scheduler.timesteps)


@pytest.mark.parametrize(
    ("process", "scheduler"),
    [
        (
            V,
            CogVideoXDPMScheduler(
                beta_schedule="scaled_linear",
                beta_start=0.00085,
                beta_end=0.012,
                prediction_type="v_prediction",
                rescale_betas_zero_snr=True,
                snr_shift_scale=3.0,
            ),
        ),
        (EPSILON, DDIMScheduler(beta_schedule="linear", beta_start=0.00085, beta_end=0.012)),
    ],
)
def test_noise_and_velocity_are_the_schedulers(process: DiffusionNoise, scheduler: DDIMScheduler):
    clean, noise = pair()
    timesteps = process.timestep(SIGMAS).long()
    theirs = scheduler.add_noise(clean, noise, timesteps)
    torch.testing.assert_close(process.add_noise(clean, noise, SIGMAS), theirs)
    if process.prediction == "v_prediction":
        velocity = scheduler.get_velocity(clean, noise, timesteps)
        torch.testing.assert_close(process.target(clean, noise, SIGMAS), velocity)

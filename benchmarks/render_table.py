"""The table of `docs/howto/render.md`: how rendering grows with workers."""

import json
from pathlib import Path

__all__ = ["render_table"]


def render_table(results_dir: Path) -> str:
    """Return the table in markdown, and under it what it was measured with; or that it was not.

    Args:
        results_dir: Holds render_scaling.json.
    """
    path = results_dir / "render_scaling.json"
    if not path.is_file():
        return "Not measured with these weights yet: `python -m benchmarks.render_scaling --ray`."
    found = json.loads(path.read_text(encoding="utf-8"))
    lines = ["| Who draws | shots per minute | speed |", "| --- | --- | --- |"]
    lines += [
        f"| {name} | {row['shots_per_minute']:.1f} | {row['speed']:.2f} x |"
        for name, row in found["rows"].items()
    ]
    settings, outside = found["settings"], found["outside_the_sampler"]
    told = f"{outside:.1%}" if outside < 0.1 else f"**{outside:.1%}**"
    return (
        "\n".join(lines)
        + f"\n\n{settings['shots']} shots of one second, {settings['num_inference_steps']} steps"
        f" each, drawn anew every time on {found['cores']} cores (load of other work before:"
        f" {found['load_before']:.1f}), with the start of the workers. More workers than cores"
        f" cannot be faster. Of the time of one process {told} is outside the sampler (goal: under"
        " 10 %)."
    )

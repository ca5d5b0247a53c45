"""The table of `docs/howto/check_photos.md`, from `check.json`."""

from collections.abc import Mapping
from typing import Any

__all__ = ["check_tables"]


def check_tables(found: Mapping[str, Any]) -> str:
    """Return what the check finds, and how fast it is, in markdown; **bold** misses its goal."""
    least, most = found["goal"]["found"], found["goal"]["false_alarms"]
    lines = ["| Planted | photos | found | named | first |", "| --- | --- | --- | --- | --- |"]
    for kind, row in found["rates"].items():
        if kind != "clean":
            share = _told(row["found"], row["found"] >= least)
            rest = f"{row['named']:.0%} | {row['named_first']:.0%}"
            lines.append(f"| {kind} | {row['photos']} | {share} | {rest} |")
    clean = found["rates"]["clean"]
    alarms = clean["false_alarms"]
    told = f"{100 * alarms:.1f} %" if alarms <= most else f"**{100 * alarms:.1f} %**"
    text = "\n".join(lines) + (
        f"\n\nGoals: {least:.0%} found, at most {most:.0%} of clean photos refused."
        f" Of {clean['photos']} clean photos {told} were refused."
    )
    return text + "\n\n" + _speeds(found["speed"]) if "speed" in found else text


def _speeds(speed: Mapping[str, Any]) -> str:
    share, faster = speed["goal"]["own_share_cold"], speed["goal"]["speedup_warm"]
    kinds = {"drawings of 192 px": speed} | {
        kind.replace("_", " "): row
        for kind, row in speed.items()
        if isinstance(row, Mapping) and "photos" in row
    }
    lines = [
        "| Speed | photos | per s, cold | own share | per s, warm | faster | in a new process |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, row in kinds.items():
        cells = [
            kind,
            str(row["photos"]),
            f"{row['photos_per_s_cold']:.1f}",
            _told(row["own_share_cold"], row["own_share_cold"] < share),
            f"{row['photos_per_s_warm']:.0f}",
            *(
                f"{row[key]:.0f}" if row[key] >= faster else f"**{row[key]:.0f}**"
                for key in ("speedup_warm", "speedup_warm_new_process")
            ),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + (
        f"\n\nGoals: an own share below {share:.0%}, {faster} times faster the second time. The own"
        " share is all time but that inside the detector and the encoder; decoding is ours, and is"
        " hidden where a core is free. Starting Python and loading the models"
        f" ({speed['start_s']:.0f} s) is not counted."
    )


def _told(value: float, is_good: bool) -> str:
    return f"{value:.0%}" if is_good else f"**{value:.0%}**"

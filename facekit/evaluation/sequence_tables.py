"""The tables of a sequence's page: what it cost, all shots, and where the numbers come from."""

from html import escape

from facekit.evaluation.page_parts import Cell, number, section, strong, table, text
from facekit.evaluation.sequence_cards import anchor, chip, cosine
from facekit.evaluation.sequence_content import SequenceContent

__all__ = ["all_shots", "cost_section", "provenance_section"]


def cost_section(content: SequenceContent) -> str:
    """Write what drawing took, what of it was for nothing, and what had been expected."""
    cost = content.cost
    takes = sum(len(shot.takes) for shot in content.shots)
    rows = [
        ("Drawing, all takes", _time(cost.draw_s), f"{takes} takes"),
        ("of it, takes that are delivered", _time(cost.delivered_s), ""),
        ("of it, takes that are not", _time(cost.wasted_s), _share(cost.wasted_s, cost.draw_s)),
        ("Retakes", str(cost.retakes), "made because a take failed, or because somebody asked"),
    ]
    if cost.took_s is not None and cost.run_draw_s is not None:
        outside = max(0.0, cost.took_s - cost.run_draw_s)
        told = _share(outside, cost.took_s) if cost.made else "nothing was left to draw"
        rows.append(("Last run, from beginning to end", _time(cost.took_s), _made(cost.made)))
        rows.append(("of it, outside the sampler", _time(outside), told))
    if cost.estimate_s is None:
        rows.append(("Expected before the last run", "unknown", cost.basis))
    else:
        rows.append(
            (
                "Expected before the last run",
                _time(cost.estimate_s),
                f"{cost.estimate_takes} takes that the board asks for; {cost.basis}",
            )
        )
        rows.append(("In truth", _time(cost.asked_s), f"{cost.asked_takes} of these takes"))
        if cost.asked_takes and cost.estimate_takes:
            each = cost.estimate_s / cost.estimate_takes, cost.asked_s / cost.asked_takes
            rows.append(("A take, expected", _time(each[0]), ""))
            rows.append(("A take, in truth", _time(each[1]), _share(each[1], each[0])))
    if cost.worst_s is not None:
        rows.append(("Expected at most, with retakes", _time(cost.worst_s), ""))
    cells = [(text(name), number(value), text(told, "soft")) for name, value, told in rows]
    return section("What it cost", table((), cells))


def _made(count: int) -> str:
    return f"{count} take" + ("" if count == 1 else "s") + " made"


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""


def all_shots(content: SequenceContent) -> str:
    """Write one row per shot."""
    rows = [
        (
            Cell(html=f'<a href="#{anchor(shot.name)}">{escape(shot.name)}</a>'),
            chip(shot.verdict),
            text(shot.chosen.name if shot.chosen else ""),
            number(str(len(shot.takes))),
            number(cosine(shot.likeness)),
            number(f"{shot.draw_s:.1f} s"),
            text(shot.reason, "soft"),
        )
        for shot in content.shots
    ]
    head = (
        text("Shot"),
        text("Verdict"),
        text("Take"),
        number("Takes"),
        number("Likeness"),
        number("Drawing"),
        text("Why"),
    )
    note = (
        "Likeness is what all but the worst twentieth of the frames of its worst character reach."
    )
    return section("All shots", table(head, rows), note)


def provenance_section(content: SequenceContent) -> str:
    """Write who measured with what, and what the sequence was made with."""
    floor = "nobody was measured"
    if content.floor is not None:
        source = "calibrated on this show" if content.is_calibrated else "the encoder's own"
        floor = f"{content.floor:.2f}, {source}"
        if not content.is_calibrated:
            floor += "; facekit lab calibrate finds one on the show's own material"
    rows = [
        ("judged by", content.encoder or "nobody"),
        ("floor", floor),
        *((f"character {one.name}", _character(one.num_photos, one.ceiling, one.least, one.digest))
          for one in content.characters),
        *content.settings.items(),
    ]  # fmt: skip
    told = "".join(f'<p class="note">{escape(note)}</p>' for note in content.notes)
    words = (
        "Likeness is the cosine of a face to the mean of photos that training never saw, by an"
        " encoder that took no part in training; a frame whose face is in profile, too small,"
        " hidden or blurred is not scored, and never counts as unlike. A shot's likeness is what"
        " all but the worst twentieth of its frames reach. Between shots, mean faces are compared."
    )
    cells = [(strong(name), text(value, "code")) for name, value in rows]
    return section("Where the numbers come from", told + table((), cells), words)


def _character(photos: int, ceiling: float | None, least: float | None, digest: str) -> str:
    told = [f"{photos} photos kept back" if photos else "no photos at hand"]
    if ceiling is not None:
        told.append(f"photos among themselves {ceiling:.2f}")
    if least is not None:
        told.append(f"at least {least:.2f} asked where the board says auto")
    if digest:
        told.append(f"file {digest[:12]}")
    return "; ".join(told)

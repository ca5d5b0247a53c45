"""The characters of a sequence's page: every shot against every shot, the worst pair, the film."""

from collections.abc import Sequence
from html import escape

from facekit.evaluation.film import film_trend
from facekit.evaluation.film_plots import film_drift, likeness_heatmap
from facekit.evaluation.page_parts import number, section, table, text
from facekit.evaluation.sequence_cards import anchor, cosine, picture_html
from facekit.evaluation.sequence_content import SequenceCharacter, SequenceContent
from facekit.media.embed import lossless_uri

__all__ = ["character_section"]

_COSINE = "cosine of mean faces"


def character_section(one: SequenceCharacter, content: SequenceContent) -> str:
    """Write everything about one of the cast; says so where it is in no drawn shot."""
    if not one.shots:
        return section(one.name, "", "In no shot that is drawn.")
    parts = [_pairs(one), _films(one, content), _least_like(one)]
    return section(one.name, "".join(part for part in parts if part), _lead(one, content))


def _lead(one: SequenceCharacter, content: SequenceContent) -> str:
    known = [value for value in one.likeness if value is not None]
    count = f"{len(one.shots)} shot" + ("s" if len(one.shots) > 1 else "")
    if not known:
        return f"{count}, and in none of them a face that can be compared."
    told = f"{count}; likeness to photos kept back is {sum(known) / len(known):.2f} on average"
    if one.ceiling:
        own = f"{100 * sum(known) / len(known) / one.ceiling:.0f} %"
        told += f", {own} of what the photos have among themselves ({one.ceiling:.2f})"
    if content.floor is not None:
        told += f". Below {content.floor:.2f} a face is nobody of the cast"
    if one.cross_shot.xsim is not None:
        told += (
            f". Between two shots it is {one.cross_shot.xsim:.2f} on average and"
            f" {one.cross_shot.xmin:.2f} at least"
        )
    return told + "."


def _pairs(one: SequenceCharacter) -> str:
    cross = one.cross_shot
    if cross.pair is None:
        return ""
    names = [one.shots[place] for place in cross.pair]
    plot = likeness_heatmap(
        cross.matrix_SS,
        one.shots,
        ceiling=one.ceiling or 1.0,
        groups=one.groups,
        worst=cross.pair,
        told="likeness, part of the photos' own" if one.ceiling else _COSINE,
    )
    alt = (
        f"How alike {one.name} is in every two of {len(one.shots)} shots; least alike are"
        f" {names[0]} and {names[1]} with {cross.xmin:.2f}"
    )
    matrix = f'<img class="plot" alt="{escape(alt)}" src="{lossless_uri(plot)}">'
    faces = ""
    if one.faces is not None:
        faces = "".join(
            f'<figure><a href="#{anchor(name)}">'
            f"{picture_html(face, f'{one.name} in {name}')}</a>"
            f"<figcaption><b>{escape(name)}</b></figcaption></figure>"
            for name, face in zip(names, one.faces, strict=True)
        )
        faces = f'<div class="pair">{faces}</div>'
    return (
        f'<div class="two"><div><h3>Every shot against every shot</h3>{matrix}</div>'
        f"<div><h3>Least alike</h3>{faces}{_pair_table(one)}</div></div>"
    )


def _pair_table(one: SequenceCharacter) -> str:
    rows = [
        (
            text(one.shots[first]),
            text(one.shots[second]),
            number(f"{one.cross_shot.matrix_SS[first, second]:.2f}"),
        )
        for first, second in one.pairs
    ]
    return table((text("Shot"), text("and shot"), number("Cosine")), rows)


def _films(one: SequenceCharacter, content: SequenceContent) -> str:
    films = [film for film in one.films if any(shot.mean is not None for shot in film.shots)]
    if not films:
        return ""
    gate = None if one.least is None else one.least / (one.ceiling or 1.0)
    plot = film_drift(films, gate=gate, per_minute=False)
    told = []
    for film in films:
        trend = film_trend(film.shots)
        if trend is not None:
            told.append(
                f"{film.name}: the trend goes from {trend.begin:.2f} to {trend.end:.2f},"
                f" {trend.end - trend.begin:+.2f} over the film"
            )
    alt = f"Likeness of {one.name} over the film. " + ". ".join(told)
    scale = "100 % is the photos' own likeness" if one.ceiling else "100 % is a cosine of 1"
    note = (
        f"Dots are frames, bars are shots, the dashed line is the trend; {scale}. A red cross is a"
        " shot in which no face can be judged"
        + (", a red bar is below what the gate asks for" if gate is not None else "")
        + "."
    )
    listed = "".join(f'<p class="note">{escape(line)}.</p>' for line in told)
    return (
        f'<h3>Over the film</h3><p class="note">{escape(note)}</p>'
        f'<div class="scroll"><img class="plot broad" alt="{escape(alt)}"'
        f' src="{lossless_uri(plot)}"></div>{listed}'
    )


def _least_like(one: SequenceCharacter) -> str:
    """The shots with the least likeness to the photos; nothing where there are few anyway."""
    known: Sequence[tuple[float, str]] = sorted(
        (value, name)
        for value, name in zip(one.likeness, one.shots, strict=True)
        if value is not None
    )[:5]
    if len(one.shots) < 3:
        return ""
    listed = "".join(
        f'<li><a href="#{anchor(name)}">{escape(name)}</a> {cosine(value)}</li>'
        for value, name in known
    )
    return f'<h3>Least like the photos</h3><ol class="names">{listed}</ol>'

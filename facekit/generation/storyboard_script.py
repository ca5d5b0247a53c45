"""Screenplays in Fountain: every scene becomes a sequence, every paragraph of action a shot.

screenplain (extra `fountain`) reads the script.
"""

import io
import re
from pathlib import Path
from typing import Any

from facekit.errors import PackageMissing, StoryboardError
from facekit.generation.storyboard import SCHEMA
from facekit.generation.storyboard_loading import LocatedBoard, understand
from facekit.generation.storyboard_yaml import LocatedData

__all__ = ["read_fountain"]

_HEADING = re.compile(r"^(?:INT\.?/EXT|I/E|INT|EXT|EST)[. ]+", re.IGNORECASE)
_ASIDE = re.compile(r"\([^)]*\)")
_UNSEEN = re.compile(r"\((?:V\.?O|O\.?S|O\.?C)\b", re.IGNORECASE)


def read_fountain(path: Path, text: str, project: str, *, seconds: float) -> LocatedBoard:
    """Make a storyboard of a screenplay.

    The heading gives the place and the time of day, a paragraph of action gives a shot, and what is
    said after it is the dialogue of that shot. Everybody who speaks is one of the cast and is in
    the shots whose action names them.

    Args:
        path: What the messages call it.
        text: Of the script.
        project: The id of the project.
        seconds: Length of every shot, for a script says none.

    Raises:
        PackageMissing: The extra `fountain` is not installed.
        StoryboardError: No scene heading in it.
    """
    try:
        from screenplain.parsers import fountain
        from screenplain.types import Action, Dialog, DualDialog, Slug
    except ImportError as error:
        raise PackageMissing(
            f"{path}: screenplain, which reads screenplays, is not installed ({error}), expected"
            " the extra; run: pip install 'facekit[fountain]'"
        ) from error
    script = fountain.parse(io.StringIO(text))
    spoken = [
        speech
        for item in script
        for speech in ((item.left, item.right) if isinstance(item, DualDialog) else (item,))
        if isinstance(speech, Dialog)
    ]
    people = dict.fromkeys(_person(str(speech.character)) for speech in spoken)
    sequences: list[dict[str, Any]] = []
    for item in script:
        if isinstance(item, Slug):
            sequences.append(_sequence(len(sequences), str(item.line)))
        elif not sequences:
            continue
        elif isinstance(item, Action):
            words = " ".join(" ".join(map(str, item.lines)).split())
            if words:
                sequences[-1]["shots"].append(_shot(sequences[-1], words, list(people), seconds))
        elif isinstance(item, Dialog | DualDialog):
            both = (item.left, item.right) if isinstance(item, DualDialog) else (item,)
            for speech in both:
                _say(sequences[-1], speech, seconds)
    if not sequences:
        raise StoryboardError(
            f"{path}: no scene heading, expected lines such as INT. KITCHEN - NIGHT; write one"
            " above each scene"
        )
    for sequence in sequences:
        place, light = sequence.pop("place"), sequence.pop("light")
        if not sequence["shots"]:
            sequence["shots"].append(_empty(1, seconds))
        for shot in sequence["shots"]:
            shot.update({key: x for key, x in (("place", place), ("light", light)) if x})
    title = " ".join(str(line) for line in script.title_page.get("Title", ()))
    data = {
        "schema": SCHEMA,
        "project": {"id": project, **({"title": title} if title else {})},
        "cast": {name: {"preset": name} for name in people},
        "sequences": sequences,
    }
    return understand(path, LocatedData(data=data, lines={}))


def _sequence(index: int, heading: str) -> dict[str, Any]:
    place, _, time = _HEADING.sub("", heading.strip()).partition(" -")
    return {
        "id": f"SEQ{10 * (index + 1):03d}",
        "title": heading.strip(),
        "shots": [],
        "place": place.strip().lower(),
        "light": time.strip(" -").lower(),
    }


def _empty(number: int, seconds: float) -> dict[str, Any]:
    return {"id": f"SH{10 * number:04d}", "seconds": seconds}


def _shot(
    sequence: dict[str, Any], words: str, people: list[str], seconds: float
) -> dict[str, Any]:
    shot = _empty(len(sequence["shots"]) + 1, seconds)
    for name in sorted(people, key=len, reverse=True):
        spelled = name.replace("_", " ")
        words = re.sub(rf"(?<![@\w]){re.escape(spelled)}\b", f"@{name}", words, flags=re.I)
    shot["action"] = words.rstrip(".")
    return shot


def _say(sequence: dict[str, Any], speech: Any, seconds: float) -> None:
    name = _person(str(speech.character))
    line = " ".join(str(text) for is_aside, text in speech.blocks if not is_aside).strip()
    if not line:
        return
    if not sequence["shots"]:
        seen = {} if _UNSEEN.search(str(speech.character)) else {"characters": [{"id": name}]}
        sequence["shots"].append({**_empty(1, seconds), **seen, "action": "talking"})
    lines = sequence["shots"][-1].setdefault("dialogue", [])
    lines.append({"who": name, "line": line})


def _person(character: str) -> str:
    """The name of a character cue as `@name` has it: letters, digits and underscores."""
    plain = _ASIDE.sub("", character).strip(" ^@").lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "somebody"

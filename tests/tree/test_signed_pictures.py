"""Whatever writes a picture or a video gives it credentials, or is listed here with a reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

SIGNED = {
    "facekit/workflows/label.py": "signed_output",
    "facekit/workflows/likeness.py": "signed_output",
    "facekit/workflows/render_media.py": "signed_output",  # what else it writes, deliver_shot signs
    "facekit/workflows/takes.py": "signed_output",
}
"""Who writes pictures and videos of generated people, and by what they are signed."""

UNSIGNED = {
    "facekit/curation/folder_files.py": "parts of photos, which come from the user",
    "facekit/evaluation/plots.py": "curves",
    "facekit/media/embed.py": "data within a page",
    "facekit/media/unpack.py": "photos and frames, which come from the user",
    "facekit/toon/samples.py": "drawn sample photos, to be trained on, the same bytes every time",
    "facekit/workflows/check_grids.py": "a matrix of numbers, as a picture",
    "facekit/workflows/credentials.py": "a trial of 8 pixels, which nobody keeps",
    "facekit/workflows/preset_drawing.py": "pictures in a preset, which its signature covers",
}
"""As docs/howto/provenance.md says."""

WRITERS = {
    "savefig",
    "write_clip",
    "write_exr_sequence",
    "write_image",
    "write_mezzanine",
    "write_png_sequence",
    "write_review",
    "write_sheet",
}
THEMSELVES = {
    f"facekit/media/{name}.py" for name in ("images", "movies", "sequences", "sheets", "video")
}


def called(tree: ast.Module) -> Iterator[str]:
    """Names of all functions that a module calls; `.save` where Pillow is at hand."""
    has_pillow = any(
        isinstance(node, ast.ImportFrom) and node.module == "PIL" for node in ast.walk(tree)
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            yield "write_image" if name == "save" and has_pillow else name


def test_every_writer_of_pictures_signs_them_or_says_why_not(root: Path) -> None:
    found = {}
    for path in sorted((root / "facekit").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if not any(f"{name}(" in text for name in {*WRITERS, ".save"}):
            continue
        calls = set(called(ast.parse(text)))
        if calls & WRITERS:
            found[path.relative_to(root).as_posix()] = calls
    found = {name: calls for name, calls in found.items() if name not in THEMSELVES}
    assert set(found) == {*SIGNED, *UNSIGNED}
    for name, signer in SIGNED.items():
        assert signer in found[name], name
    assert "sign_output" in (root / "facekit/workflows/render_outputs.py").read_text()

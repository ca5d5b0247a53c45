import dataclasses
import json
from html.parser import HTMLParser

import pytest

from facekit.errors import OutputError
from facekit.evaluation import plots
from facekit.evaluation.gates import build_gates, judge
from facekit.evaluation.measure import measure_character
from facekit.evaluation.report import ReportContent, report_json, write_report
from facekit.evaluation.words import WORDINGS, format_figure, headline
from facekit.generation.shots import expected_attributes
from facekit.recipe import Recipe
from tests.tiny.drawn_takes import draw_set


@pytest.fixture(autouse=True)
def small_plots(monkeypatch):
    monkeypatch.setattr(plots, "DPI", 20)


@pytest.fixture(scope="module")
def content():
    drawn = draw_set(count=3, num_frames=4, stranger_at=1)
    scores = measure_character(
        "<mira & co>",
        drawn.takes,
        drawn.reference,
        base_takes=drawn.base,
        probe=lambda clip, asked: dict.fromkeys(asked, True),
        expected=[expected_attributes(take.shot.prompt) for take in drawn.takes],
    )
    return ReportContent(
        scores=scores,
        takes=drawn.takes,
        enrolled_photos=drawn.enrolled,
        held_out_photos=drawn.held_out,
        gates=judge(scores.figures, build_gates(Recipe().gates.model_dump())),
        settings={"report encoder": "drawn@dddddddddddd"},
    )


class Page(HTMLParser):
    """What a page loads, and whether its tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.sources += [values[name] for name in ("src", "href") if values.get(name)]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_stands_alone_and_is_whole(content, tmp_path):
    path = write_report(content, tmp_path)

    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    text = " ".join(page.text)
    assert page.open == []
    assert all(source.startswith("data:image/") for source in page.sources)
    assert len(page.sources) >= 3 * 2 + 6 + 3 + 3
    assert "<mira & co>" in text
    assert "drawn@dddddddddddd" in text
    assert all(title in text for title in ("Worst frames", "Along each clip", "Gates"))
    assert "<mira" not in path.read_text(encoding="utf-8")


def test_the_json_holds_every_figure_and_no_nan(content, tmp_path):
    write_report(content, tmp_path)

    stored = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(report_json(content)))
    assert stored["figures"].keys() == content.scores.figures.keys()
    assert [len(shot["frames"]["status"]) for shot in stored["shots"]] == [4, 4, 4]
    assert len(stored["similarity_matrix"]) == 3
    low, high = stored["intervals_over_shots"]["sim_held"]["ci95"]
    assert low <= stored["intervals_over_shots"]["sim_held"]["mean"] <= high


def test_a_report_written_twice_is_the_same(content, tmp_path):
    first = write_report(content, tmp_path / "a").read_bytes()
    second = write_report(content, tmp_path / "b").read_bytes()

    assert first == second


def test_a_folder_that_cannot_be_written_leaves_nothing_half_written(content, tmp_path):
    (tmp_path / "out").write_text("a file where the folder should be")

    with pytest.raises(OutputError):
        write_report(content, tmp_path / "out")


def test_the_page_tells_which_part_of_the_gates_was_measured(content, tmp_path):
    """Two gates that nobody measured looked like all gates passed."""
    gates = build_gates({"min_coverage": 0.5, "min_xmin_ratio": 0.75, "max_m_cp_over_truth": 0.1})
    some = dataclasses.replace(content, gates=judge(content.scores.figures, gates))

    page = write_report(some, tmp_path).read_text(encoding="utf-8")

    assert '<div class="verdict none">1 of 3 gates measured, all passed</div>' in page
    assert report_json(some)["verdict"] == "incomplete"


def test_jitter_stands_beside_motion(content, tmp_path):
    figures = content.scores.figures
    told = f"jitter {figures['jitter']:.3f}, base model {figures['base_jitter']:.3f}"

    assert told in write_report(content, tmp_path).read_text(encoding="utf-8")
    shot = report_json(content)["shots"][0]
    assert shot["jitter"] > 0
    assert shot["base_jitter"] > 0


@pytest.mark.parametrize(("alone", "beside"), [("m_cp", "m_cp_over_truth"), ("xmin", "xmin_ratio")])
def test_figures_against_the_truth_lead_where_the_truth_is_known(alone, beside):
    """The least alike pair led without the strangers, who are most of a bad set."""
    assert alone in headline({alone: 0.2, beside: None})
    assert alone not in headline({alone: 0.2, beside: 0.0})
    assert beside in headline({alone: 0.2, beside: 0.0})
    assert "shots_counted" in headline({})


def test_a_prompt_that_is_obeyed_less_is_told_in_one_way(content, tmp_path):
    """The card said -4.8 points, the table "obedience lost 4.8 %", and -9.1 % where it gained."""
    figures = {**content.scores.figures, "prompt_delta": -0.048, "prompt_drop": 0.048}
    scores = dataclasses.replace(content.scores, figures=figures)
    gates = judge(figures, build_gates({"max_prompt_drop": 0.03}))
    some = dataclasses.replace(content, scores=scores, gates=gates)

    page = write_report(some, tmp_path).read_text(encoding="utf-8")

    assert page.count("-4.8 points") == 4, "card, gate, and both keys among all figures"
    assert page.count("at least -3.0 points") == 2
    assert "obedience lost" not in page


def test_what_was_missing_is_told_beside_the_figure(content, tmp_path):
    figures = {**content.scores.figures, "xmin": None}
    scores = dataclasses.replace(content.scores, figures=figures)
    reasons = {"xmin": "one shot only"}
    gates = judge(figures, build_gates({"min_xmin": 0.45}), reasons)
    some = dataclasses.replace(content, scores=scores, gates=gates, reasons=reasons)

    page = write_report(some, tmp_path).read_text(encoding="utf-8")

    assert page.count("one shot only") == 3, "card, gate and among all figures"


def test_a_gate_that_is_off_is_shown_as_off(content, tmp_path):
    gates = judge(content.scores.figures, build_gates({"max_m_cp": None, "max_drift": 9.0}))

    page = write_report(dataclasses.replace(content, gates=gates), tmp_path).read_text("utf-8")

    assert '<span class="chip none">off</span>' in page
    assert "All 1 gates passed" in page


def test_a_shot_leads_to_its_clip_and_plays_without_a_mouse(content, tmp_path):
    """On a phone and by keyboard no clip ever played, and none could be opened."""
    clip = tmp_path / "my shots" / "a.mp4"
    clip.parent.mkdir()
    clip.touch()
    clips = (clip, tmp_path / "gone.mp4", None)

    page = write_report(dataclasses.replace(content, clips=clips), tmp_path / "report")

    text = page.read_text(encoding="utf-8")
    assert text.count("<a href=") == 1
    assert '<a href="../my%20shots/a.mp4">' in text
    assert text.count('class="shot"') == text.count('tabindex="0"') == 3
    assert ".shot:focus" in text


def test_likeness_is_one_number_wherever_it_is_told(content, tmp_path):
    """A badge of 48 % stood beside 0.43 in the table and 0.20 under the worst frame."""
    shot = content.scores.shots[0]
    share = f"{100 * shot.sim_held / content.scores.ceiling:.0f} %"

    page = write_report(content, tmp_path).read_text(encoding="utf-8")

    row = page.partition("<h2>Shot by shot</h2>")[2].partition("</table>")[0]
    assert f'<td class="number">{share}</td>' in row
    worst = page.partition("<h2>Worst frames</h2>")[2].partition("</section>")[0]
    assert worst.count(" %</figcaption>") + worst.count(" % (") == 3


def test_every_figure_is_told_in_words(content):
    assert content.scores.figures.keys() <= WORDINGS.keys()
    assert all(words.meaning.endswith(".") for words in WORDINGS.values())


@pytest.mark.parametrize(
    ("figure", "value", "expected"),
    [
        ("likeness_ratio", 0.834, "83 %"),
        ("prompt_drop", 0.0312, "-3.1 points"),
        ("prompt_drop", -0.091, "+9.1 points"),
        ("prompt_delta", -0.02, "-2.0 points"),
        ("xmin", 0.4177, "0.418"),
        ("xmin", None, "not scorable"),
    ],
)
def test_values_are_written_in_the_unit_of_their_figure(figure, value, expected):
    assert format_figure(figure, value) == expected

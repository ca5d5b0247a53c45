"""The page to sign."""

from facekit.rights.requests import request_html, request_markdown
from tests.tiny.consents import terms


def test_the_page_says_what_is_asked_and_claims_no_legal_advice():
    for make in (request_html, request_markdown):
        page = make(terms(), "mira")
        for said in (
            "mira", "Studio", "narrative-fiction, test", "org.studio.show", "2028-11-20",
            "legal@studio.example", "30 days", "biometric", "of age", "no legal advice",
            terms()["subject_ref"],
        ):  # fmt: skip
            assert said in page, said


def test_what_is_not_known_yet_stays_blank():
    page = request_markdown({}, "mira")
    assert page.count("_____") > 8


def test_what_is_filled_in_cannot_break_the_page():
    page = request_html(terms(purpose="<script>1 & 2</script>"), "<b>")
    assert "<script>" not in page
    assert "<b>" not in page
    assert "a/b" in request_markdown(terms(purpose="a|b"), "mira")

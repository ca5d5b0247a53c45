from pathlib import Path

import pytest

from facekit.errors import UsageError
from facekit.show_file import SHOW_FILE, find_show, parse_show, read_show
from facekit.signing.keys import SigningKey

KEY = SigningKey.generate("ana").public.line


def test_it_is_found_from_a_folder_below(tmp_path: Path) -> None:
    (tmp_path / SHOW_FILE).write_text('[project]\nid = "org.show"\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_show(below) == tmp_path / SHOW_FILE
    assert read_show(find_show(below)).project.id == "org.show"


def test_nothing_found_is_an_empty_show() -> None:
    assert read_show(None).people == {}


def test_every_mistake_is_named() -> None:
    text = '[project]\nname = "x"\n[policy.prod]\napprove = { td = 0 }\n'
    with pytest.raises(UsageError) as told:
        parse_show(text, "facekit.toml")
    assert "project.name: unknown key" in str(told.value)
    assert "policy.prod.approve.td" in str(told.value)


def test_one_key_belongs_to_one_person() -> None:
    text = f'[people.ana]\nkey = "{KEY}"\n[people.tom]\nkey = "{KEY}"\n'
    with pytest.raises(UsageError, match=r"people\.tom: has the key of ana"):
        parse_show(text, "t")


def test_a_former_key_still_counts() -> None:
    new = SigningKey.generate("ana-2")
    text = f'[people.ana]\nkey = "{new.public.line}"\nformer_keys = ["{KEY}"]\n'
    show = parse_show(text, "t")
    assert [show.person_of(key) for key in show.all_keys()] == ["ana", "ana"]


def test_no_secret_is_kept_in_it() -> None:
    with pytest.raises(UsageError, match="is a secret"):
        parse_show('[registries.a]\nuri = "s3://b"\noptions = { secret = "x" }\n', "t")


@pytest.mark.parametrize("text", ['mirror_of = "b"', 'mirror_of = "a"'])
def test_a_mirror_copies_a_registry(text: str) -> None:
    with pytest.raises(UsageError, match="no registry to copy"):
        parse_show(f'[registries.a]\nuri = "x"\n{text}\n', "t")


@pytest.mark.parametrize("hours", ["0", "-1", "1e300", "inf", "nan"])
def test_a_grace_that_nobody_could_use_is_refused(hours: str) -> None:
    with pytest.raises(UsageError, match=r"rules\.offline_hours"):
        parse_show(f"[rules]\noffline_hours = {hours}\n", "t")


def test_what_is_no_toml_is_told(tmp_path: Path) -> None:
    (tmp_path / SHOW_FILE).write_bytes(b"\xff")
    with pytest.raises(UsageError, match="not TOML"):
        read_show(tmp_path / SHOW_FILE)


def test_a_secret_in_an_address_is_found() -> None:
    with pytest.raises(UsageError, match="uri holds a secret"):
        parse_show('[registries.a]\nuri = "sftp://anna:pw@host/x"\n', "t")


@pytest.mark.parametrize(
    "said",
    ['use = "Advertising"', 'territory = ["us"]', 'territory_exclude = ["USA"]', 'media = ["TV"]'],
)
def test_words_of_rights_have_one_spelling(said: str) -> None:
    with pytest.raises(UsageError, match=r"consent\." + said.partition(" ")[0]):
        parse_show(f"[consent]\n{said}\n", "t")
    assert parse_show('[consent]\nuse = ""\nterritory = ["US-CA"]\n', "t").consent.use == ""

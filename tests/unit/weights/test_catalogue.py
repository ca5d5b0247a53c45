import re

import pytest

from facekit.errors import UsageError
from facekit.weights import catalogue, catalogue_entry
from facekit.weights.catalogue import megabytes


def test_every_digest_is_one_and_every_size_is_told() -> None:
    for entry in catalogue().values():
        for file in [*entry.files, *entry.downloads]:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256), file.name
            assert file.num_bytes > 100_000
        assert entry.licence
        assert len(entry.source) > 20


def test_what_is_fetched_has_an_address_and_what_is_unpacked_has_none() -> None:
    for entry in catalogue().values():
        assert all(file.url.startswith("https://") for file in entry.downloads)
        assert all(bool(file.url) == (entry.archive is None) for file in entry.files)


def test_the_models_that_vendors_need_are_there() -> None:
    needed = {"yunet", "sface", "auraface", "buffalo_l", "buffalo_sc", "antelopev2"}
    needed |= {"retinaface_resnet50", "retinaface_mobile025", "arcface_ir_se50", "bisenet"}
    assert needed <= set(catalogue())


def test_terms_say_what_is_forbidden() -> None:
    assert catalogue_entry("sface").terms == "Apache-2.0"
    assert catalogue_entry("buffalo_l").terms.endswith(" - no commercial use")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"buffalo: no such weights.*sface.*buffalo_l"):
        catalogue_entry("buffalo")


def test_sizes_are_for_people() -> None:
    assert megabytes(38_696_353) == "38.7 MB"

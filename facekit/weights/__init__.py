"""Which weights there are, with digest, licence and origin; none of them is loaded unverified.

`manifest` is about what ships inside the package, `catalogue` about what can be fetched from
elsewhere, `store` about the folders where that lies, and `fetch` brings it there.
"""

from facekit.weights.catalogue import (
    CatalogueEntry,
    CatalogueFile,
    catalogue,
    catalogue_entry,
    entry_of_digest,
)
from facekit.weights.fetch import add_weights, fetch_weights
from facekit.weights.manifest import (
    MANIFEST_NAME,
    WeightsFile,
    file_digest,
    known_digest,
    load_nets,
    read_manifest,
    verify,
    verify_once,
    write_manifest,
)
from facekit.weights.store import (
    WEIGHTS_VARIABLE,
    are_present,
    find_weights,
    locate,
    search_first,
    searched_first,
    store_dirs,
)

__all__ = [
    "MANIFEST_NAME",
    "WEIGHTS_VARIABLE",
    "CatalogueEntry",
    "CatalogueFile",
    "WeightsFile",
    "add_weights",
    "are_present",
    "catalogue",
    "catalogue_entry",
    "entry_of_digest",
    "fetch_weights",
    "file_digest",
    "find_weights",
    "known_digest",
    "load_nets",
    "locate",
    "read_manifest",
    "search_first",
    "searched_first",
    "store_dirs",
    "verify",
    "verify_once",
    "write_manifest",
]

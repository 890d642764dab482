import pytest

from pipelines.page.inputs.sources import Source, licences
from pipelines.page.provenance import web_address


def source(name, licence):
    return Source(name, "backgrounds", "3 files", licence, "somewhere")


def test_weights_are_bound_by_the_terms_of_their_data():
    places, mattes = source("places365", "Places365 terms: research and education only"), source("mattes", "MIT")
    found = licences([places, mattes])
    assert found.identifier == "other" and found.restricted == [f"places365: {places.licence}"]
    assert "Not for commercial use" in found.told
    assert licences([source("a", "CC BY-NC 4.0")]).restricted, "one licence that hubs know, and still no free one"


def test_one_known_licence_is_named_and_nothing_is_assumed():
    assert licences([source("a", "MIT"), source("b", "mit licence ")]).identifier == "mit"
    assert licences([source("a", "MIT"), source("b", "Apache 2.0")]).identifier == "other"
    unknown = licences([source("a", "MIT"), source("b", "not recorded")])
    assert unknown.identifier == "other" and "No terms are recorded of b" in unknown.told


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://user:secret@example.org/a/b.git", "https://example.org/a/b"),
        ("git@example.org:a/b.git", "https://example.org/a/b"),
        ("ssh://git@example.org/a/b", "https://example.org/a/b"),
        ("/home/someone/project", None),
        ("file:///home/someone/project", None),
        ("", None),
    ],
)
def test_a_remote_becomes_an_address_without_secrets_or_paths(remote, address):
    assert web_address(remote) == address

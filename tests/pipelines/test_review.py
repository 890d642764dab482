"""The review's bookkeeping in a real FiftyOne: steps and their undoing, views, decisions carried over and pulled.

Each test starts from the same dataset; FiftyOne runs in this process, with a database of its own.
"""

import pytest

from curation.decisions import Decision, read_decisions, write_decisions
from curation.identity import content_id
from tests.pipelines.browse_world import photograph, write_project

PERSON, OVER, UNDER = (content_id(photograph(f"b/bar/{name}.jpg")) for name in ("person", "over", "under"))
KEEP, REJECT = "@cleanplate/review/keep", "@cleanplate/review/reject"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(fiftyone_folder):
    write_project(fiftyone_folder)
    return fiftyone_folder


@pytest.fixture
def dataset(project, monkeypatch):
    monkeypatch.chdir(project)
    from pipelines.browse import session
    from pipelines.browse.backgrounds import NAME
    from pipelines.browse.marks import store

    fo = session.fiftyone_module()
    if fo.dataset_exists(NAME):
        fo.delete_dataset(NAME)
    store(NAME).clear()
    write_decisions([], project / "curation/decisions.csv")
    return build()


def build(limit=None):
    from pipelines.browse.backgrounds import DATA, DECISIONS, load_dataset
    from pipelines.params import load
    from pipelines.paths import roots

    return load_dataset(DATA, roots(load()).backgrounds, load(), DECISIONS, limit)


def press(uri, dataset, *names, opened=None, **params):
    """Run an operator as the App does, on the samples of these photographs."""
    import fiftyone.operators as foo

    ids = {locator.rsplit("/")[-1]: sample for sample, locator in zip(*dataset.values(["id", "locator"]), strict=True)}
    ctx = {"dataset": dataset, "selected": [ids[f"{name}.jpg"] for name in names], "params": params}
    if opened is not None:
        ctx["current_sample"] = ids[f"{opened}.jpg"]
    result = foo.execute_operator(uri, ctx).result["message"]
    dataset.reload()
    return result


def marks(dataset):
    """Names and decisions of the samples that bear one, as tagged; the field must say the same."""
    found = {}
    for locator, tags, field in zip(*dataset.values(["locator", "tags", "decision"]), strict=True):
        tagged = [tag.partition(":")[2] for tag in tags if tag.startswith("decision:")]
        assert tagged == ([field] if field else [])
        if field:
            found[locator.rsplit("/")[-1].removesuffix(".jpg")] = field
    return found


def names(view):
    return [locator.rsplit("/")[-1].removesuffix(".jpg") for locator in view.values("locator")]


def test_the_database_is_the_projects_whatever_else_runs(project, dataset):
    from fiftyone.core.odm import get_db_client

    options = get_db_client().admin.command("getCmdLineOpts")["parsed"]
    assert options["storage"]["dbPath"] == str(project.resolve() / ".fiftyone" / "db")


def test_views_hold_what_their_names_say(dataset):
    view = {name: names(dataset.load_saved_view(name)) for name in dataset.list_saved_views()}
    assert view["borderline"] == ["over", "under"], "0.53 and 0.44: the nearer to 0.5 first"
    assert view["detectors disagree"] == ["over"]
    assert view["duplicates"] == ["plain", "plain_copy", "resembling"], "the one kept, then its copies"
    assert view["borderline: sharpness"] == ["blurry"]
    assert view["kept"] == ["plain", "under"]
    assert {name for name in view if name.startswith("rejected: ")} == {
        "rejected: duplicate", "rejected: people", "rejected: sharpness", "rejected: unreadable",
    }  # fmt: skip
    press(REJECT, dataset, "over")
    assert names(dataset.load_saved_view("borderline")) == ["under", "over"], "the undecided first"
    assert names(dataset.load_saved_view("decided, not pulled")) == ["over"]


def test_a_view_that_somebody_saved_stays(dataset):
    dataset.save_view("mine", dataset.limit(2))
    assert "mine" in build().list_saved_views()


def test_copies_go_together_and_undo_goes_back_step_by_step(dataset):
    assert press(REJECT, dataset, "plain", "over") == "2 images rejected (3 samples: copies go together)"
    assert press(KEEP, dataset, "over", note=" a poster ") == "1 image kept"
    assert marks(dataset) == {"plain": "reject", "plain_copy": "reject", "over": "keep"}
    assert dataset.match({"decision_note": "a poster"}).values("image_id") == [OVER]
    undo = "@cleanplate/review/undo"
    assert press(undo, dataset) == "Undone: 1 image kept"
    assert marks(dataset) == {"plain": "reject", "plain_copy": "reject", "over": "reject"}
    assert press(undo, dataset) == "Undone: 2 images rejected (3 samples: copies go together)"
    assert marks(dataset) == {}
    assert press(undo, dataset) == "Nothing to undo"


def test_the_open_image_goes_before_the_selection_and_nothing_means_nothing(dataset):
    assert press(REJECT, dataset).startswith("Select the images")
    assert press("@cleanplate/review/reject_this", dataset, "over", opened="person") == "1 image rejected"
    assert marks(dataset) == {"person": "reject"}
    dataset.match({"locator": "b/bar/broken.jpg"}).set_field("image_id", None).save("image_id")
    told = press(KEEP, dataset, whole_view=True)
    assert told == "6 images kept (7 samples: copies go together); 1 could not be read and cannot be marked"
    assert marks(dataset)["person"] == "keep"


def test_decisions_survive_a_rebuilding_pulled_or_not(project, dataset):
    from pipelines.browse.review import pull

    path = project / "curation/decisions.csv"
    elsewhere = Decision("e" * 32, "reject", "zoë", "of another dataset")
    write_decisions([elsewhere], path)
    press(REJECT, dataset, "under")
    merged = pull("backgrounds", path, "ana", "a mannequin")
    assert (merged.new, merged.changed, merged.withdrawn) == ([UNDER], [], [])
    assert read_decisions(path) == {
        UNDER: Decision(UNDER, "reject", "ana", "a mannequin"),
        "e" * 32: elsewhere,
    }
    press(KEEP, dataset, "over")
    press(KEEP, dataset, "under")
    colleague = Decision(PERSON, "keep", "ben", "a statue")
    write_decisions([*read_decisions(path).values(), colleague], path)
    dataset.info["version"] = "older"
    dataset.save()
    rebuilt = build()
    assert marks(rebuilt) == {"over": "keep", "under": "keep", "person": "keep"}
    again = pull("backgrounds", path, "ana", "")
    assert (again.new, again.changed, again.withdrawn) == ([OVER], [UNDER], [])
    for _ in range(3):
        press("@cleanplate/review/undo", rebuilt)
    last = pull("backgrounds", path, "ana", "")
    assert set(last.withdrawn) == {OVER, UNDER}
    assert read_decisions(path) == {PERSON: colleague, "e" * 32: elsewhere}


def test_what_is_decided_of_an_image_left_out_is_not_lost(project, dataset):
    from pipelines.browse.review import pull

    press(REJECT, dataset, "under")
    small = build(limit=2)
    assert "under" not in names(small)
    merged = pull("backgrounds", project / "curation/decisions.csv", "ana", "")
    assert merged.new == [UNDER]
    assert pull("backgrounds", project / "curation/decisions.csv", "ana", "").new == []
    assert marks(build()) == {"under": "reject"}


def test_contradicting_tags_name_the_image(project, dataset):
    from pipelines.browse.review import pull

    press(REJECT, dataset, "under")
    dataset.match({"image_id": UNDER}).tag_samples("decision:keep")
    with pytest.raises(ValueError, match=r"under\.jpg is tagged decision:keep and decision:reject at once"):
        pull("backgrounds", project / "curation/decisions.csv", "ana", "")


def test_labels_by_tag_tell_random_from_near_and_survive(dataset):
    from curation.audit import Label, Labels
    from pipelines.browse.labels import answers, ask

    drawn = [("b/bar/over.jpg", 0.53, "near"), ("b/bar/person.jpg", 0.9, "random"), ("b/bar/blurry.jpg", 0.0, "random")]
    assert ask(dataset, drawn) == 3
    assert sorted(names(dataset.load_saved_view("to label"))) == ["blurry", "over", "person"]
    with pytest.raises(ValueError, match="no sample is labelled"):
        answers(dataset)
    press("@cleanplate/review/label_person", dataset, "person", "over")
    press("@cleanplate/review/label_nobody", dataset, "under")
    expected = Labels(
        {"b/bar/over.jpg": Label(True, "near"), "b/bar/person.jpg": Label(True, "random")}
        | {"b/bar/under.jpg": Label(False, "picked")},
        1,
    )
    assert answers(dataset) == expected
    dataset.info["version"] = "older"
    dataset.save()
    rebuilt = build()
    assert answers(rebuilt) == expected
    press("@cleanplate/review/undo", rebuilt)
    assert "b/bar/under.jpg" not in answers(rebuilt).seen

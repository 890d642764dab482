from pathlib import Path

import pytest

from curation.decisions import Decision, merge, read_decisions, write_decisions

ID = "0123456789abcdef" * 2
OTHER = "f" * 32


def test_reads_what_it_wrote_sorted(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    write_decisions([Decision(OTHER, "reject", "Zoë", 'a "poster", a face'), Decision(ID, "keep", "ana", "")], path)
    assert path.read_bytes().startswith(b"image_id,decision,by,note\n0123")
    assert read_decisions(path) == {
        ID: Decision(ID, "keep", "ana", ""),
        OTHER: Decision(OTHER, "reject", "Zoë", 'a "poster", a face'),
    }


def test_the_committed_file_is_valid(root: Path) -> None:
    read_decisions(root / "curation" / "decisions.csv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "its columns are"),
        ("image_id,decision\n", "its columns are image_id,decision"),
        (f"image_id,decision,by,note\n{ID},maybe,a,b\n", "line 2: decision 'maybe'; expected keep or reject"),
        ("image_id,decision,by,note\nphoto.jpg,keep,a,b\n", "line 2: 'photo.jpg' is no image id"),
        (f"image_id,decision,by,note\n{ID},keep,a,b,c\n", "line 2: 5 columns"),
        (f"image_id,decision,by,note\n{ID},keep,a,b\n{ID},reject,a,b\n", "line 3: a second decision"),
    ],
)
def test_what_does_not_fit_names_file_and_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "decisions.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=words) as error:
        read_decisions(path)
    assert str(path) in str(error.value)


def test_a_spreadsheet_may_have_saved_it(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_bytes(f"\ufeffimage_id,decision,by,note\r\n{ID},keep,ana,\r\n\r\n".encode())
    assert list(read_decisions(path)) == [ID]


def test_a_missing_file_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="git checkout"):
        read_decisions(tmp_path / "decisions.csv")


def test_a_review_wins_and_leaves_the_rest_alone() -> None:
    kept, rejected = Decision(ID, "keep", "ana", ""), Decision(OTHER, "reject", "Zoë", "poster")
    third = Decision("a" * 32, "keep", "ben", "")
    turned = Decision(ID, "reject", "ben", "a face in the mirror")
    found = merge({ID: kept, OTHER: rejected}, {ID: turned, third.image_id: third})
    assert found.decisions == {ID: turned, OTHER: rejected, third.image_id: third}
    assert (found.new, found.changed, found.withdrawn) == ([third.image_id], [ID], [])
    again = merge(found.decisions, {ID: None, "b" * 32: None})
    assert again.decisions == {OTHER: rejected, third.image_id: third}
    assert (again.new, again.changed, again.withdrawn) == ([], [], [ID]), "what nobody decided cannot be withdrawn"


def test_the_same_decision_by_somebody_else_is_no_change() -> None:
    mine = Decision(ID, "keep", "ana", "an empty church")
    found = merge({ID: mine}, {ID: mine._replace(by="ben")})
    assert found.decisions == {ID: mine} and not found.changed

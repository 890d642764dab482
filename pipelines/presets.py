"""``cleanplate use``: writes params.yaml from a preset, and the roots into paths.yaml."""

from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from curation.storage import Root, open_store, writing
from curation.storage.local import LocalStore
from pipelines.params import PARAMS, parse
from pipelines.paths import PATHS, extra_roots, testset_folders

PHOTOS = {
    "digest": None,
    "licence": "unknown: write the licence of your photographs here",
    "source": "photographs of your own",
}
"""What is known of a second dataset of photographs before anybody said more."""
Preset = Literal["sample", "full", "published"]
"""``published`` is ``full`` with the ranges of Background Matting V2's own training, mixed in display values."""


class Change(NamedTuple):
    """One value that a preset changed; None stands for a key that is not there."""

    key: str
    before: Any
    after: Any


def preset_text(name: Preset) -> str:
    """Return a preset's params file."""
    return (files(__package__) / "presets" / f"{name}.yaml").read_text(encoding="utf-8")


def flatten(values: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings to dotted keys."""
    if not isinstance(values, dict):
        return {prefix: values}
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def use(name: Preset, path: Path = PARAMS, photos: bool = False) -> list[Change]:
    """Write a preset to params.yaml and return what changed against the file that was there.

    ``photos``: with a second dataset of photographs. The digests of a scan, and the licence and source of those
    photographs, survive going to the same preset again; extra sources survive any change.
    """
    yaml = YAML(typ="safe", pure=True)
    text = preset_text(name)
    earlier = (yaml.load(path.read_text(encoding="utf-8")) if path.is_file() else None) or {}
    before = flatten(earlier)
    if photos:
        held = (earlier.get("data") or {}).get("photos") if before.get("data.preset") == _kind(text) else None
        text = _set(text, "data.photos", held or dict(PHOTOS))
    after = flatten(yaml.load(text))
    for key in ("extra", "evaluate.sets"):
        held = earlier
        for step in key.split("."):
            held = (held or {}).get(step)
        if held:
            text = _set(text, key, held)
            after = flatten(yaml.load(text))
    if before.get("data.preset") == name:
        for key in ("data.places365.digest", "data.videomatte.digest"):
            if before.get(key):
                text = _set(text, key, before[key])
                after[key] = before[key]
    parse(text, f"preset {name}")
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    keys = list(dict.fromkeys([*after, *before]))
    return [Change(k, before.get(k), after.get(k)) for k in keys if before.get(k) != after.get(k)]


def write_roots(places365: Root, videomatte: Root, path: Path = Path(PATHS), photos: Root | None = None) -> None:
    """Write paths.yaml; a root is a folder or a URL.

    Raises FileNotFoundError naming a root that is not a folder, ValueError for one given twice or a URL that cannot be
    read, ImportError with what installs what reads it.
    """
    given = {"places365": places365, "videomatte": videomatte, "photos": photos}
    roots = {name: None if root is None else _given(name, root) for name, root in given.items()}
    if roots["photos"] and roots["places365"] and _one_in_the_other(roots["photos"], roots["places365"]):
        raise ValueError(
            f"--photos: '{photos}' and Places365's folder hold each other; every photograph would come twice"
        )
    _write_paths(roots, path)


def _given(name: str, root: Root) -> str:
    store = open_store(root)
    if not isinstance(store, LocalStore):
        return str(root)  # with its user, who says how to ask
    if not store.root.is_dir():
        raise FileNotFoundError(f"--{name}: '{root}' is not a folder; give the dataset's own folder")
    return str(store.root.resolve())


def _one_in_the_other(one: str, other: str) -> bool:
    first, second = (str(open_store(root).root).rstrip("/") + "/" for root in (one, other))
    return first.startswith(second) or second.startswith(first)


def _kind(text: str) -> str:
    """The value of data.preset in a preset's text."""
    return str(YAML(typ="safe", pure=True).load(text)["data"]["preset"])


def write_extra(name: str, root: Path, path: Path = Path(PATHS)) -> None:
    """Write the folder of an extra source into paths.yaml. Raises FileNotFoundError where it is none."""
    if not root.is_dir():
        raise FileNotFoundError(f"'{root}' is not a folder; give the folder of the source '{name}'")
    known = {key: str(folder) for key, folder in extra_roots(path).items()}
    _write_paths({"extra": known | {name: str(root.resolve())}}, path)


def write_testset(name: str, root: Path, backgrounds: Path | None, path: Path = Path(PATHS)) -> None:
    """Write the folders of a test set into paths.yaml."""
    known = testset_folders(path) | {name: (root, backgrounds)}
    folders = {
        each: {"folder": str(folder), **({} if photographs is None else {"backgrounds": str(photographs)})}
        for each, (folder, photographs) in known.items()
    }
    _write_paths({"testsets": folders}, path)


def _write_paths(values: dict[str, Any], path: Path) -> None:
    """Set keys of paths.yaml, drop those that are None, and keep the others."""
    yaml = YAML()
    before = (yaml.load(path.read_text(encoding="utf-8")) if path.is_file() else None) or {}
    with writing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        if not before:
            file.write("# Where the raw datasets are on this machine. Not in git.\n")
        before.update(values)  # in place, for the comments
        for name in [name for name, value in before.items() if value is None]:
            del before[name]
        yaml.dump(before, file)


def set_value(key: str, value: Any, path: Path = PARAMS) -> None:
    """Set one dotted key of params.yaml, keeping its comments and order."""
    text = _set(path.read_text(encoding="utf-8"), key, value)
    parse(text, str(path))
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _set(text: str, key: str, value: Any) -> str:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 200
    yaml.representer.add_representer(
        type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    values = yaml.load(text)
    *above, last = key.split(".")
    section = values
    for step in above:
        section = section[step]
    if isinstance(value, list):
        value = CommentedSeq(value)
        value.fa.set_flow_style()
    section[last] = value
    out = StringIO()
    yaml.dump(values, out)
    return out.getvalue()

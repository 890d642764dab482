"""Which predicted alphas an evaluation keeps for browsing."""

from training.evaluation import gallery


def test_the_worst_and_as_many_others_keep_their_alphas():
    keys = [f"{i:02d}" for i in range(20)]
    rows = [
        {"composite_id": key, "method": method, "mad": float(mad if method == "refine" else -mad)}
        for mad, key in enumerate(keys)
        for method in ("refine", "classical")
    ]
    names = sorted(gallery.picture(key, method) for key in keys for method in ("refine", "classical"))
    chosen = gallery.kept(rows, names, count=5)
    assert chosen == sorted(
        gallery.picture(key, method) for key in ("00", "01", "17", "18", "19") for method in ("refine", "classical")
    ), "17 to 19 are the worst; 00 and 01 the first of the others"
    assert gallery.kept(rows, names, count=20) == names

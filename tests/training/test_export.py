import onnx
import pytest
import torch

from training import export
from training.config import ExportParams
from training.network import RefineOutput, build_refine

SIDE = 128


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads that wait for each other on a busy machine cost more than they save on pictures this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def network():
    return build_refine("mobilenetv2", 0.5, "sampling", 2048).eval()


@pytest.fixture(scope="module")
def onnx_file(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "refine.onnx"
    export.export_onnx(network, path, SIDE, SIDE)
    return path


@pytest.mark.slow
def test_onnx_agrees_at_the_size_of_the_example_and_at_others(network, onnx_file):
    run = export.onnx_runner(onnx_file)
    sizes = [(SIDE, SIDE), export.other_size(SIDE, SIDE), (132, 260)]
    pairs = [pair for size in sizes for pair in export.random_pairs(*size)]
    found = export.compare(network, run, pairs)
    assert found.pha_mean < 1e-5
    assert found.fgr_mean < 1e-5


@pytest.mark.slow
def test_onnx_is_one_file_with_its_names_and_opset(onnx_file):
    assert [file.name for file in onnx_file.parent.iterdir()] == ["refine.onnx"]
    model = onnx.load(onnx_file)
    onnx.checker.check_model(model)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", export.OPSET)]
    assert [i.name for i in model.graph.input] == ["src", "bgr"]
    assert [o.name for o in model.graph.output] == list(export.OUTPUTS)


def test_torchscript_agrees(network, tmp_path):
    path = tmp_path / "refine.pt"
    export.export_torchscript(network, path, SIDE, SIDE + 32)
    found = export.compare(network, export.torchscript_runner(path), export.random_pairs(SIDE, SIDE + 32))
    assert found.pha_mean < 1e-5
    assert found.fgr_mean < 1e-5


def test_a_file_of_other_weights_is_refused(network, tmp_path):
    other = build_refine("mobilenetv2", 0.5, "sampling", 2048).eval()
    with torch.no_grad():
        for parameter in other.decoder.parameters():
            parameter.mul_(1.5)
    path = tmp_path / "refine.pt"
    export.export_torchscript(other, path, SIDE, SIDE)
    found = export.compare(network, export.torchscript_runner(path), export.random_pairs(SIDE, SIDE))
    with pytest.raises(export.ExportError, match=r"refine\.pt differs.*tolerance = 1e-05"):
        export.check_difference(path.name, found, 1e-5)


def test_nan_is_refused():
    with pytest.raises(export.ExportError):
        export.check_difference("x", export.Difference(float("nan"), 0, 0, 0, 0), 1.0)


@pytest.mark.parametrize("size", [(130, 128), (64, 128)])
def test_sizes_that_do_not_fit_are_named(network, tmp_path, size):
    with pytest.raises(ValueError, match=f"{size[1]}x{size[0]}.*multiples of 4"):
        export.export_torchscript(network, tmp_path / "x", *size)


def test_thresholding_is_refused_for_onnx(tmp_path):
    network = build_refine("mobilenetv2", refine_mode="thresholding")
    with pytest.raises(ValueError, match="thresholding"):
        export.export_onnx(network, tmp_path / "x", SIDE, SIDE)


def test_other_size_has_another_shape_and_fits():
    for size in ((448, 448), (128, 128), (1080, 1920)):
        other = export.other_size(*size)
        assert other != size
        assert other[0] * size[1] != other[1] * size[0]
        assert all(side % 4 == 0 and side >= export.SMALLEST for side in other)
    assert ExportParams(width=128, height=128, tolerance=1e-3).tolerance == 1e-3


def output(pha: float, chosen: list[int], err: float = 0.5) -> RefineOutput:
    """A frame of 8 x 8 pixels, four patches."""
    ref = torch.zeros(1, 1, 2, 2)
    ref.view(-1)[chosen] = 1
    frame = torch.full((1, 1, 8, 8), 0.25)
    for patch in chosen:
        row, column = divmod(patch, 2)
        frame[..., 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = pha
    errors = torch.tensor([[err, 0.5], [0.5, 0.9]])[None, None].repeat_interleave(2, 2).repeat_interleave(2, 3)
    return RefineOutput(frame, frame.expand(1, 3, 8, 8), frame, frame.expand(1, 3, 8, 8), errors, ref)


def test_a_patch_chosen_between_equals_is_no_difference():
    found = export.difference(output(1.0, [3, 0]), output(1.0, [3, 1]))
    assert found.pha_max == found.fgr_max == 0
    assert found.other_patches == 0.5  # one more, one less, of four


def test_a_patch_chosen_against_its_error_is_a_difference():
    found = export.difference(output(1.0, [3, 0]), output(1.0, [3, 1], err=0.1))
    assert found.pha_max == found.fgr_max == 0.75
    assert found.other_patches == 0.25  # the other patch had the error of the last one chosen


def test_differences_outside_tied_patches_count():
    found = export.difference(output(0.75, [3, 0]), output(1.0, [3, 1]))
    assert found.pha_max == 0.25
    assert found.pha_mean == pytest.approx(0.125)  # one of the two patches that count

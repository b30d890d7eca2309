"""What an output has of the format of its photograph."""

import numpy as np
import pytest
from PIL import Image
from restorations import pixels, restore, whole


def test_a_jpeg_has_the_quality_profile_and_exif_of_its_photograph_and_stands_upright(theta, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"  # to be turned by 90°; the maker
    photograph = tmp_path / "p.jpg"
    Image.fromarray(pixels(24, 40)).save(
        photograph, quality=77, subsampling=2, progressive=True, icc_profile=b"a profile", exif=exif, dpi=(300, 300)
    )
    assert restore(photograph, "-o", tmp_path / "out", "-n", theta) == 0
    with Image.open(photograph) as before, Image.open(tmp_path / "out/p.jpg") as after:
        assert after.format == "JPEG"
        assert after.size == (24, 40)
        assert after.quantization == before.quantization
        assert after.info["icc_profile"] == b"a profile"
        assert after.info["dpi"] == (300, 300)
        assert after.info.get("progressive")
        assert dict(after.getexif()) == {0x010F: "camera"}


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P"])
def test_grey_stays_grey_and_alpha_stays_as_it_is(mode, theta, network, tmp_path):
    rgba = np.dstack([pixels(16, 20), pixels(17, 20)[:16, :, 0]])
    image = Image.fromarray(rgba).convert(mode) if mode != "P" else Image.fromarray(rgba[..., :3]).quantize(16)
    image.save(tmp_path / "p.png")
    assert restore(tmp_path / "p.png", "-o", tmp_path / "out", "-n", theta) == 0
    with Image.open(tmp_path / "p.png") as before, Image.open(tmp_path / "out/p.png") as after:
        assert after.mode == {"P": "RGB"}.get(mode, mode)
        expected = Image.fromarray(whole(network, np.asarray(before.convert("RGB"))))
        if mode in ("L", "LA"):
            assert list(after.convert("L").get_flattened_data()) == list(expected.convert("L").get_flattened_data())
        else:
            np.testing.assert_array_equal(np.asarray(after)[..., :3], np.asarray(expected))
        if "A" in mode:
            assert after.getchannel("A").tobytes() == before.convert("RGBA").getchannel("A").tobytes()


@pytest.mark.parametrize("suffix", [".webp", ".tif", ".bmp", ".png"])
def test_other_formats_stay_what_they_are(suffix, theta, tmp_path):
    Image.fromarray(pixels(16, 20)).save(tmp_path / f"p{suffix}")
    assert restore(tmp_path / f"p{suffix}", "-o", tmp_path / "out", "-n", theta) == 0
    with Image.open(tmp_path / f"p{suffix}") as before, Image.open(tmp_path / f"out/p{suffix}") as after:
        assert (after.format, after.size, after.mode) == (before.format, before.size, before.mode)

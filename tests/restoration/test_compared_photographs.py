"""The page of `derain restore --compare`."""

from PIL import Image
from restorations import pixels, restore


def test_compare_writes_a_page_of_what_is_restored_now_and_before(photos, theta, tmp_path, capsys):
    """Photographs are upright on it, also where their EXIF is broken."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90°
    Image.fromarray(pixels(20, 30)).save(photos / "turned.jpg", exif=exif)
    Image.fromarray(pixels(22, 30)).save(photos / "torn.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    Image.fromarray(pixels(20, 30)).save(photos / "damaged.png")
    assert restore(photos / "damaged.png", "-o", tmp_path / "out", "-n", theta) == 0
    for name in ("broken.png", "damaged.png"):
        (photos / name).write_bytes(b"")
    capsys.readouterr()
    for _ in range(2):
        assert restore(photos, "-o", tmp_path / "out", "-n", theta, "--compare") == 1
        assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "out/compare/index.html")
        page = (tmp_path / "out/compare/index.html").read_text(encoding="utf-8")
        assert [name in page for name in ("a.png", "more/b.png", "c.jpg", "broken.png")] == [True, True, True, False]
        assert [name in page for name in ("turned.jpg", "torn.jpg", "damaged.png")] == [True, True, False]
        with Image.open(tmp_path / "out/compare/turned.jpg.jpg") as both:
            assert both.size == (2 * 20, 30)
        assert (tmp_path / "out/compare/more/b.png.jpg").is_file()


def test_pictures_of_a_comparison_and_restored_photographs_do_not_replace_each_other(photos, theta, tmp_path, capsys):
    first, second, third = tmp_path / "first", tmp_path / "second", tmp_path / "third"
    assert restore(photos / "a.png", "-o", first, "-n", theta, "--compare") == 0
    capsys.readouterr()
    assert restore(first, "-o", second, "-n", theta, "--compare") == 1
    out, err = capsys.readouterr()
    reason = "its output compare/a.png.jpg would be among the pictures of the comparison"
    assert err == f"error: {first}/compare/a.png.jpg: {reason}; restore its folder by itself, or rename it\n"
    assert out.startswith(f"1 photograph → {second}: 1 restored\n")
    assert restore(first, "-o", third, "-n", theta) == 0  # uncompared
    before = (third / "compare/a.png.jpg").read_bytes()
    capsys.readouterr()
    assert restore(photos / "a.png", "-o", third, "-n", theta, "--compare", "--overwrite") == 1
    reason = "is a photograph that an earlier call has restored, and would be among the pictures of the comparison"
    assert capsys.readouterr().err == (
        f"error: {third}/compare/a.png.jpg: {reason}; compare in another output folder\n"
    )
    assert (third / "compare/a.png.jpg").read_bytes() == before

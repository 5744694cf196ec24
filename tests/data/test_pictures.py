"""One image file of any kind becomes a square of bytes, upright and opaque; damage is named."""

import io

import numpy as np
import pytest
from made_images import encoded, pixels
from PIL import Image, ImageOps

from ltbench.data.pictures import BadImageError, damage, picture


def plain(side=32):
    return Image.fromarray(pixels(0, side, side))


def test_a_colour_image_of_the_right_size_keeps_every_byte():
    assert np.array_equal(picture(encoded(plain()), 32, 3), np.asarray(plain()))


def test_the_middle_square_is_scaled_by_pillows_antialiased_filter():
    image = Image.fromarray(pixels(1, 40, 90))
    middle = image.resize((16, 16), Image.Resampling.BILINEAR, box=(25, 0, 65, 40))
    assert np.array_equal(picture(encoded(image), 16, 3), np.asarray(middle))


def test_a_tiny_image_is_enlarged():
    found = picture(encoded(Image.new("RGB", (1, 3), (9, 8, 7))), 8, 3)
    assert (found == (9, 8, 7)).all()
    assert found.shape == (8, 8, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_rotated_photograph_stands_upright(orientation):
    turned = plain()
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(turned, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert np.array_equal(picture(content, 32, 3), np.asarray(upright))
    assert np.array_equal(np.asarray(upright), np.asarray(plain())) == (orientation == 1)


def test_transparent_pixels_lie_on_white_and_half_transparent_ones_half():
    image = plain().convert("RGBA")
    image.putpixel((0, 0), (10, 20, 30, 0))
    image.putpixel((1, 0), (55, 55, 55, 128))
    found = picture(encoded(image), 32, 3)
    assert found[0, 0].tolist() == [255, 255, 255]
    assert 153 <= found[0, 1, 0] <= 156
    assert np.array_equal(found[1:], np.asarray(plain())[1:])


def test_a_palette_with_a_transparent_colour_lies_on_white():
    image = Image.new("P", (8, 8), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 0)
    found = picture(encoded(image, transparency=0), 8, 3)
    assert found[0, 0].tolist() == [255, 255, 255]
    assert found[7, 7].tolist() == [0, 0, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr"])
def test_every_mode_becomes_three_channels_or_one(mode):
    kind = {"CMYK": "JPEG", "YCbCr": "JPEG"}.get(mode, "PNG")
    content = encoded(plain().convert(mode), kind)
    assert picture(content, 16, 3).shape == (16, 16, 3)
    grey = picture(content, 16, 1)
    assert grey.shape == (16, 16, 1)
    assert grey.std() > 0


def test_cmyk_keeps_its_colours():
    image = Image.new("RGB", (16, 16), (200, 30, 60)).convert("CMYK")
    found = picture(encoded(image, "JPEG", quality=95), 16, 3)
    assert np.abs(found.astype(int) - (200, 30, 60)).max() <= 6


def test_sixteen_bit_greys_keep_their_upper_bits():
    values = (np.arange(64, dtype=np.uint16) * 1024).reshape(8, 8)
    found = picture(encoded(Image.fromarray(values)), 8, 1)
    assert np.array_equal(found[..., 0], values >> 8)


def test_an_animation_gives_its_first_frame():
    first, second = Image.new("L", (8, 8), 10), Image.new("L", (8, 8), 200)
    content = encoded(first, "GIF", save_all=True, append_images=[second])
    assert (picture(content, 8, 1) == 10).all()


def test_a_large_photograph_is_decoded_smaller_and_looks_the_same():
    large = Image.fromarray(pixels(3, 800, 800))
    content = encoded(large, "JPEG", quality=95)
    exact = ImageOps.fit(Image.open(io.BytesIO(content)), (16, 16), 2)
    difference = np.abs(picture(content, 16, 3).astype(int) - np.asarray(exact).astype(int))
    assert difference.max() <= 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no image"),
        (b"<html>404</html>", "no image"),
        (encoded(plain(), "JPEG")[:400], "Truncated"),
        (encoded(plain())[:600], "truncated"),
    ],
)
def test_what_does_not_decode_whole_is_said_in_a_few_words(content, words):
    with pytest.raises(BadImageError, match=words) as caught:
        picture(content, 8, 3)
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)


def test_numbers_of_32_bits_are_no_image():
    content = encoded(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF")
    with pytest.raises(BadImageError, match="32-bit numbers"):
        picture(content, 8, 3)


def test_damage_is_told_without_an_address_in_memory():
    with pytest.raises(OSError, match="cannot identify") as told:
        Image.open(io.BytesIO(b"no image"))
    assert damage(told.value) == "cannot identify image file"
    assert damage(OSError("broken data stream\nof 3 bytes")) == "broken data stream"
    assert damage(MemoryError()) == "MemoryError"

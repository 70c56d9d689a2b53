"""Folders of labelled pictures, samples of them, and what a model takes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from powerlab.catalog.workload_profile import Preprocessing
from powerlab.errors import ConfigError
from powerlab.recipes.gabor import CLASSES, gabor_set
from powerlab.recipes.pictures import (
    InputForm,
    LabelledPicture,
    labels_of,
    prepared,
    read_labelled,
    sample,
)


@pytest.fixture
def folder(tmp_path):
    """Get three classes with two pictures each, one of them grey."""
    generator = np.random.default_rng(1)
    for label in (0, 2, 10):
        (tmp_path / str(label)).mkdir()
        for name in ("b.png", "a.ppm"):
            mode = (40, 60, 3) if name == "a.ppm" else (50, 50)
            Image.fromarray(generator.integers(0, 256, mode, np.uint8)).save(
                tmp_path / str(label) / name
            )
        (tmp_path / str(label) / "note.txt").write_text("no picture")
    (tmp_path / "readme.txt").write_text("nor this")
    return tmp_path


def test_a_folder_is_read_in_the_order_of_its_classes(folder):
    """By number, not by name, and files of other kinds are left out."""
    told = [(picture.label, picture.path.name) for picture in read_labelled(folder)]
    assert told == [(label, name) for label in (0, 2, 10) for name in ("a.ppm", "b.png")]


def test_folders_that_are_none(tmp_path):
    """Absent, empty, and with a folder that bears no number."""
    with pytest.raises(ConfigError, match="no folder of pictures"):
        read_labelled(tmp_path / "absent")
    with pytest.raises(ConfigError, match="holds no pictures"):
        read_labelled(tmp_path)
    (tmp_path / "cats").mkdir()
    with pytest.raises(ConfigError, match="'cats' is no class's number"):
        read_labelled(tmp_path)


def test_every_option_gets_the_same_sample():
    """One seed, one sample; a smaller one is its beginning; every picture comes once."""
    pictures = [LabelledPicture(None, number) for number in range(200)]
    large, small = sample(pictures, 150, seed=3), sample(pictures, 50, seed=3)
    assert large[:50] == small == sample(pictures, 50, seed=3)
    assert len({picture.label for picture in large}) == 150
    assert small != sample(pictures, 50, seed=4)
    # A random sample is not sorted: its mean label is about that of all.
    assert 80 < np.mean([picture.label for picture in small]) < 120
    for count in (0, 201):
        with pytest.raises(ConfigError, match="there are 200"):
            sample(pictures, count, seed=3)


def test_pictures_become_inputs(folder):
    """Scaled, cut, turned to grey or colour, centred, and quantised by the model's own step."""
    pictures = read_labelled(folder)
    grey = prepared(pictures, InputForm((1, 8, 8, 1), "float32"), Preprocessing())
    assert grey.shape == (6, 8, 8, 1)
    assert grey.dtype == np.float32
    assert 0 <= grey.min() < grey.max() <= 1
    how = Preprocessing(shorter_side_px=20, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.5))
    colour = prepared(pictures, InputForm((1, 16, 16, 3), "float32"), how)
    plain = prepared(
        pictures, InputForm((1, 16, 16, 3), "float32"), Preprocessing(shorter_side_px=20)
    )
    assert np.allclose(colour, (plain - [0.4, 0.5, 0.6]) / [0.2, 0.25, 0.5], atol=1e-5)
    whole = prepared(pictures, InputForm((1, 8, 8, 1), "int8", (1 / 255, -128)), Preprocessing())
    assert np.array_equal(whole, np.rint(grey * 255) - 128)
    with pytest.raises(ConfigError, match="does not say what its steps mean"):
        prepared(pictures, InputForm((1, 8, 8, 1), "uint8"), Preprocessing())


def test_the_middle_is_cut_out(tmp_path):
    """A wide picture whose middle is white and whose ends are black comes out white."""
    (tmp_path / "0").mkdir()
    content = np.zeros((20, 60), np.uint8)
    content[:, 15:45] = 255
    Image.fromarray(content).save(tmp_path / "0" / "wide.png")
    how = Preprocessing(shorter_side_px=20)
    told = prepared(read_labelled(tmp_path), InputForm((1, 20, 20, 1), "float32"), how)
    assert told.min() == 1


def test_a_file_that_is_no_picture(tmp_path):
    """Its name is told."""
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "x.png").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"x\.png cannot be read"):
        prepared(read_labelled(tmp_path), InputForm((1, 8, 8, 1), "float32"), Preprocessing())


def test_classes_and_outputs(workload):
    """A background before the first class moves all of them; a class beyond the last is told."""
    profile = workload("mobilenet-v2")
    pictures = [LabelledPicture(None, label) for label in (0, 999)]
    assert labels_of(pictures, profile, 0).tolist() == [0, 999]
    with pytest.raises(
        ConfigError, match="class 999, and mobilenet-v2 tells 1000 classes from -1 on"
    ):
        labels_of(pictures, profile, -1)
    with pytest.raises(ConfigError, match="class 0, and"):
        labels_of(pictures, profile, 1)


def test_generated_pictures_repeat():
    """One seed gives one set, of all classes alike, grey and noisy."""
    pictures, labels = gabor_set(5, 200)
    again, same = gabor_set(5, 200)
    assert np.array_equal(pictures, again)
    assert np.array_equal(labels, same)
    assert (pictures.shape, pictures.dtype) == ((200, 88, 88, 1), np.uint8)
    assert 0 <= labels.min() < labels.max() < CLASSES
    assert 110 < pictures.mean() < 145
    assert not np.array_equal(gabor_set(6, 200)[1], labels)

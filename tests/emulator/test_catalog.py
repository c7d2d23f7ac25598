"""Assets on disk."""

from __future__ import annotations

from pathlib import Path

import ee
import numpy as np
import pytest
from evaluation_support import Workplace, geotiff, write_tif

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError

ONE = np.ones((2, 2), "uint16")


def test_a_file_is_an_image_with_its_bands_named_by_their_descriptions_or_numbers(workplace: Workplace) -> None:
    write_tif(workplace.assets / "folder" / "scene.tif", np.ones((2, 2, 2), "float32"))
    image = workplace.catalog.image("folder/scene")
    assert image.band_names == ["b1", "b2"]
    assert image.properties == {"system:id": "folder/scene", "system:index": "scene"}


def test_files_of_single_bands_are_one_image_in_natural_order(workplace: Workplace) -> None:
    workplace.add_image("scene", dict.fromkeys(("B11", "B2", "B8A", "B8", "QA60"), ONE), cloud=3)
    image = workplace.catalog.image("scene")
    assert image.band_names == ["B2", "B8", "B8A", "B11", "QA60"]
    assert image.properties["cloud"] == 3


def test_a_name_that_begins_another_is_not_taken_for_it(workplace: Workplace) -> None:
    workplace.add_image("a", {"B1": ONE})
    workplace.add_image("ab", {"B2": ONE})
    assert workplace.catalog.image("a").band_names == ["B1"]


def test_a_folder_is_a_collection_ordered_by_id(workplace: Workplace) -> None:
    for name in ("c/10", "c/9", "c/1"):
        workplace.add_image(name, {"B": ONE})
    images = workplace.catalog.collection("c").elements
    assert [image.properties["system:id"] for image in images] == ["c/1", "c/10", "c/9"]


@pytest.mark.parametrize(
    ("path", "asset_id"),
    [
        ("COPERNICUS/S2/a", "COPERNICUS/S2/a"),
        ("COPERNICUS/S2/a", "projects/earthengine-public/assets/COPERNICUS/S2/a"),
        ("users/me/a", "users/me/a"),
        ("users/me/a", "projects/earthengine-legacy/assets/users/me/a"),
        ("projects/p/assets/f/a", "projects/p/assets/f/a"),
    ],
)
def test_the_names_of_an_asset(workplace: Workplace, path: str, asset_id: str) -> None:
    workplace.add_image(path, {"B": ONE})
    assert workplace.catalog.image(asset_id).band_names == ["B"]
    assert workplace.catalog.collection(asset_id.rpartition("/")[0]).elements


@pytest.mark.parametrize(
    "asset_id", ["gone", "../secret", "/etc/secret", "a/../../secret", "a\\b", "", "a//b", "é"]
)
def test_what_is_not_there_or_not_inside(workplace: Workplace, asset_id: str) -> None:
    write_tif(workplace.assets.parent / "secret.tif", ONE)
    (workplace.assets / "a").mkdir(parents=True)
    with pytest.raises(EvaluationError) as failure:
        workplace.catalog.image(asset_id)
    assert failure.value.message == (
        f"Image.load: Image asset '{asset_id}' not found (does not exist or caller does not have access)."
    )
    with pytest.raises(EvaluationError, match=r"ImageCollection\.load: ImageCollection asset '.*' not found"):
        workplace.catalog.collection(asset_id)


def test_an_image_is_no_collection_and_a_collection_no_image(workplace: Workplace) -> None:
    workplace.add_image("c/a", {"B": ONE})
    with pytest.raises(EvaluationError, match=r"Image.load: Asset 'c' is not an Image\."):
        workplace.catalog.image("c")
    with pytest.raises(EvaluationError, match=r"ImageCollection.load: Asset 'c/a' is not an ImageCollection\."):
        workplace.catalog.collection("c/a")


def test_an_exported_asset_can_be_loaded_and_overwritten(workplace: Workplace) -> None:
    workplace.add_image("a", {"B": ONE}, date=5)
    destination = {"name": "projects/p/assets/out/x", "overwrite": True}
    for factor in (2, 3):
        image = ee.Image("a").multiply(factor).toUint16().copyProperties(ee.Image("a"))
        workplace.export(ee.Image(image), assetExportOptions={"earthEngineDestination": destination})
        assert workplace.values(ee.Image("projects/p/assets/out/x")).tolist() == [[factor, factor]] * 2
    assert workplace.catalog.image("projects/p/assets/out/x").properties["date"] == 5
    assert len(workplace.catalog.collection("projects/p/assets/out").elements) == 1


def test_a_sidecar_that_is_no_object(workplace: Workplace) -> None:
    workplace.add_image("a", {"B": ONE})
    for text in ("{", "[]"):
        (workplace.assets / "a.json").write_text(text)
        with pytest.raises(EvaluationError, match=r"Image.load: 'a.json'"):
            workplace.catalog.image("a")


def test_a_file_that_is_no_raster(workplace: Workplace) -> None:
    workplace.assets.mkdir()
    (workplace.assets / "a.tif").write_text("not a raster")
    with pytest.raises(EvaluationError, match=r"'a.tif' is not a raster file"):
        workplace.catalog.image("a")


def test_masks_of_integers_survive_in_an_asset(workplace: Workplace) -> None:
    values = np.arange(1, 5, dtype="uint16").reshape(2, 2)
    workplace.add_image("a", {"B1": values, "B2": values})
    image = ee.Image("a").addBands(
        ee.Image("a").select("B2").updateMask(ee.Image("a").select("B1").gt(2)), None, True
    )
    workplace.export(image, assetExportOptions={"earthEngineDestination": {"name": "projects/p/assets/m"}})
    pixels = workplace.pixels(
        ee.Image("projects/p/assets/m"),
        fileExportOptions=geotiff(noData={"floatValue": 9}),
        maxPixels={"value": "4"},
    )
    assert pixels[0].tolist() == [[1, 2], [3, 4]]
    assert pixels[1].tolist() == [[None, None], [3, 4]]


def test_masks_of_floats_survive_in_an_asset(workplace: Workplace, tmp_path: Path) -> None:
    workplace.add_image("a", {"B": np.array([[1.5, -1]], "float32")}, nodata=-1)
    workplace.export(ee.Image("a"), assetExportOptions={"earthEngineDestination": {"name": "projects/p/assets/f"}})
    pixels = workplace.pixels(ee.Image("projects/p/assets/f"), fileExportOptions=geotiff(noData={"floatValue": 9}))
    assert pixels.tolist() == [[[1.5, None]]]

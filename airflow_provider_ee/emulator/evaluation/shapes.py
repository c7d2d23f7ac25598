"""Where the elements of expressions lie."""

from __future__ import annotations

from airflow_provider_ee.emulator.evaluation.collection import Collection
from airflow_provider_ee.emulator.evaluation.element import Element
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import Footprint, Union
from airflow_provider_ee.emulator.evaluation.image import Image
from airflow_provider_ee.emulator.evaluation.values import Feature


def shape_of(value: Footprint | Element | None) -> Footprint | None:
    """The geometry of a feature, the footprint of an image, all those of a collection; None if it has none.

    An image without a footprint is unbounded; a feature without a geometry lies nowhere.
    """
    if isinstance(value, Image):
        return value.footprint
    if isinstance(value, Feature):
        return value.geometry
    if isinstance(value, Collection):
        return _union(value)
    assert value is None or isinstance(value, Footprint)
    return value


def _union(collection: Collection) -> Footprint:
    shapes = []
    for element in collection.elements:
        shape = shape_of(element)
        if shape is not None:
            shapes.append(shape)
        elif isinstance(element, Image):
            raise EvaluationError("Collection.geometry: An image of the collection is unbounded.")
    return shapes[0] if len(shapes) == 1 else Union(tuple(shapes))

"""Specs are read once each."""

from dataclasses import replace

from ray_operator.api.problems import Problem
from ray_operator.controllers.rayservice.desired import Desired, Options
from ray_operator.controllers.rayservice.reader import Reader
from ray_operator.operator.documents import JsonObject, JsonValue, encode
from support.builders import a_view
from support.rayservice_world import a_service_spec


def a_service(**spec: JsonValue) -> JsonObject:
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"namespace": "default", "name": "s"},
        "spec": a_service_spec(**spec),
    }


def test_a_spec_is_read_again_only_when_it_changed() -> None:
    reader = Reader(Options())
    view = a_view(a_service())
    first = reader.read(view)

    assert isinstance(first, Desired)
    assert reader.read(replace(view, resource_version="2", status_bytes=b"{}")) is first
    assert reader.read(a_view(a_service(rayClusterDeletionDelaySeconds=7))) is not first
    assert reader.read(replace(view, annotations={"a": "b"})) is not first


def test_a_service_that_is_gone_is_forgotten() -> None:
    reader = Reader(Options())
    view = a_view(a_service())
    first = reader.read(view)
    reader.forget(view.key)

    assert reader.read(view) is not first


def test_what_breaks_the_reading_is_a_problem_of_that_object() -> None:
    odd = replace(a_view(a_service()), spec_bytes=encode({"rayClusterConfig": 7}))

    assert isinstance(Reader(Options()).read(odd), Problem)

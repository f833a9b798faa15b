"""Messages are what a frozen, keyword-only dataclass would be."""

import copy
import pickle

import pytest

from pyflowd_client.protocol.message import Message, field


class Point(Message):
    x: int
    y: int = 2
    tags: list[str] = field(default_factory=list)


def test_fields_have_the_order_of_their_class_and_their_defaults() -> None:
    assert repr(Point(y=3, x=1)) == "Point(x=1, y=3, tags=[])"
    assert repr(Point(x=1)) == "Point(x=1, y=2, tags=[])"


def test_each_message_has_a_default_object_of_its_own() -> None:
    assert Point(x=1).tags is not Point(x=1).tags


@pytest.mark.parametrize(("fields", "words"), [({}, "needs the field x"), ({"x": 1, "z": 1}, "no field z")])
def test_wrong_fields_are_named(fields: dict[str, int], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        Point(**fields)


def test_messages_do_not_change() -> None:
    point = Point(x=1)
    with pytest.raises(AttributeError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del point.x
    with pytest.raises(AttributeError):
        point.z = 2  # type: ignore[attr-defined]


def test_messages_are_equal_by_kind_and_fields() -> None:
    class Other(Point):
        x: int

    assert Point(x=1) == Point(x=1) != Point(x=2)
    assert Point(x=1) != Other(x=1)


def test_messages_can_be_copied_and_pickled() -> None:
    point = Point(x=1, tags=["a"])
    assert copy.deepcopy(point) == point == pickle.loads(pickle.dumps(point))

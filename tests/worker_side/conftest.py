"""One zygote per interpreter and test module; each test gets it without workers and leaves it so."""

from collections.abc import Iterator

import pytest

from support.zygote import Zygote, find_interpreters

INTERPRETERS = find_interpreters()


@pytest.fixture(scope="module", params=INTERPRETERS, ids=[path.split("/")[-3] for path in INTERPRETERS])
def every_zygote(request: pytest.FixtureRequest) -> Iterator[Zygote]:
    with Zygote(request.param) as zygote:
        yield zygote


@pytest.fixture(scope="module")
def own_zygote() -> Iterator[Zygote]:
    with Zygote(INTERPRETERS[0]) as zygote:
        yield zygote


@pytest.fixture
def anywhere(every_zygote: Zygote) -> Iterator[Zygote]:
    """A zygote of each interpreter found: for behaviour that depends on the Python version."""
    yield every_zygote
    every_zygote.dismiss_workers()


@pytest.fixture
def zygote(own_zygote: Zygote) -> Iterator[Zygote]:
    """A zygote of this interpreter: for behaviour that is the kernel's."""
    yield own_zygote
    own_zygote.dismiss_workers()

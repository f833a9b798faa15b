"""Which tier a machine gives: where it is known, less is an error."""

import os

import pytest

from pyflowd_client.blocking import Client
from support.daemons import assert_serves

WANTED = "PYFLOWD_EXPECT_TIER"


@pytest.mark.skipif(WANTED not in os.environ, reason=f"{WANTED} does not say what this machine should give")
def test_the_default_settings_give_the_tier_that_this_machine_should(client: Client) -> None:
    assert_serves(client)
    [environment] = client.status().environments
    assert environment.tier == os.environ[WANTED], environment.lacks

"""Which versions a policy asks for."""

import pytest

from server.repository.aspired import aspired
from server.repository.settings import VersionPolicy

ALL = VersionPolicy(latest=None)


@pytest.mark.parametrize(
    ("policy", "versions", "expected"),
    [
        (VersionPolicy(), (), ()),
        (VersionPolicy(), (1, 2, 10), (10,)),
        (VersionPolicy(), (10, 2, 1), (10,)),
        (VersionPolicy(latest=2), (1, 2, 10), (2, 10)),
        (VersionPolicy(latest=9), (1, 2), (1, 2)),
        (VersionPolicy(latest=0), (1, 2), ()),
        (ALL, (), ()),
        (ALL, (3, 1), (1, 3)),
        (VersionPolicy(latest=None, specific=(1, 3)), (1, 2, 3), (1, 3)),
        (VersionPolicy(latest=None, specific=(3, 4)), (1, 2, 3), (3,)),
        (VersionPolicy(latest=None, specific=(4,)), (1,), ()),
    ],
)
def test_the_policy_chooses_among_what_is_there(policy, versions, expected):
    assert aspired(policy, versions) == expected

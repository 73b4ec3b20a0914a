"""The contract that every method keeps, shipped so that yours can prove that it does.

from sparring.testing import Case, check_method, tiny_batches, tiny_net, tiny_setting

def mine():
    teacher = tiny_net(seed=7)
    return Case(make_my_method(tiny_net(seed=3), tiny_setting(teacher)), teacher)

def test_mine():
    check_method(mine, tiny_batches())
"""

from sparring.testing.contract import Broken, check_method
from sparring.testing.tiny import tiny_batches, tiny_net, tiny_setting, tiny_tapped
from sparring.testing.trial import Case

__all__ = ["Broken", "Case", "check_method", "tiny_batches", "tiny_net", "tiny_setting", "tiny_tapped"]

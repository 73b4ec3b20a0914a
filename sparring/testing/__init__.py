"""The contract that every method keeps, shipped so that yours can prove that it does.

from sparring.testing import check_method, tiny_batches, tiny_net, tiny_setting

def test_mine():
    check_method(lambda: make_my_method(...), tiny_batches())
"""

from sparring.testing.contract import Broken, check_method
from sparring.testing.tiny import tiny_batches, tiny_net, tiny_setting
from sparring.testing.trial import Case

__all__ = ["Broken", "Case", "check_method", "tiny_batches", "tiny_net", "tiny_setting"]

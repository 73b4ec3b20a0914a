"""What an exported student's card says of the licence of its weights, and another licence on a card that is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

# The licences that the Hugging Face hub knows, by its names, which are SPDX's in small letters.
HUB = re.compile(
    r"apache-2\.0|mit|isc|wtfpl|zlib|ncsa|unlicense|postgresql|bsl-1\.0|ms-pl|mpl-2\.0|osl-3\.0|ofl-1\.1|lppl-1\.3c"
    r"|afl-3\.0|artistic-2\.0|ecl-2\.0|epl-[12]\.0|eupl-1\.1|bsd-[23]-clause|bsd-3-clause-clear|[al]?gpl-3\.0|gpl-2\.0"
    r"|lgpl-2\.1|cdla-sharing-1\.0|cdla-permissive-[12]\.0|cc0-1\.0|cc-by-(2\.[05]|[34]\.0)|cc-by-sa-[34]\.0"
    r"|cc-by-nc(-sa)?-[234]\.0|cc-by-nd-4\.0|cc-by-nc-nd-[34]\.0"
)
OTHER = "other"  # what the hub calls a licence that it does not know, or that nobody has told
OWN = "The data, the teacher and the network's code have licences of their own."


def keys(licence: str) -> dict[str, str]:
    """A licence as the first lines of a card have it: the hub's name, and its own where the hub knows none."""
    small = licence.lower().removesuffix("-only")
    known = small if HUB.fullmatch(small) else OTHER
    return {"license": known} if small == known else {"license": known, "license_name": licence}


def sentence(licence: str) -> str:
    """Under which licence the weights are, or that nobody said."""
    if licence.lower() == OTHER:
        return (
            "Nobody said under which licence these weights are. Whoever passes them on says so, with "
            f"`sparring export … --licence SPDX`. {OWN}"
        )
    return f"These weights: {licence}. {OWN}"


def as_yaml(values: Mapping[str, Any]) -> str:
    """What stands at the head of a card."""
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)


def relicensed(card: str, before: str, after: str) -> str | None:
    """A card's text under another licence, all else left as it stands; None where it does not say `before` itself."""
    head, said = f"---\n{as_yaml(keys(before))}tags:", f"## Licence\n\n{sentence(before)}"
    if not card.startswith(head) or card.count(said) != 1:
        return None
    rest = card.removeprefix(head).replace(said, f"## Licence\n\n{sentence(after)}")
    return f"---\n{as_yaml(keys(after))}tags:{rest}"

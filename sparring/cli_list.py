"""The command line's `list`: names, and a network's inner features; torch is imported only once it runs."""

from __future__ import annotations

from typing import Annotated, Literal

from sparring.arguments import Number, image_shape
from sparring.errors import UserError


def list_names(
    what: Literal["methods", "nets", "data", "augment", "recipes", "perturb", "targets", "objective", "taps"],
    name: str | None = None,
    /,
    *,
    data: str | None = None,
    data_root: str | None = None,
    size: Annotated[int | None, Number] = None,
    shape: str | None = None,
    classes: Annotated[int | None, Number] = None,
) -> None:
    """The names that the other verbs know, and what each of them is.

    Parameters
    ----------
    what
        Of what; perturb, targets and objective are the three slots of a method, with their options. Names of perturb
        joined by + follow one another (perturb=mixes+hard). taps NET: a network's inner features.
    name
        Of taps: the network, as for --student. Of a slot: the one that is explained, option by option.
    data
        Of taps: for images of that data set (digits, where no shape is given either).
    data_root
        Where local copies of data sets lie.
    size
        Of taps: scaled to this many pixels.
    shape
        Of taps: for images of these channels, height and width, as 3x32x32, and no data set is read.
    classes
        Of taps, beside --shape: how many (10, where the network's weights do not say).
    """
    from sparring import verbs
    from sparring.recipes import listing

    if (name is None) if what == "taps" else (name is not None and what not in verbs.TABLES):
        raise UserError(
            "`sparring list taps NET` names the network whose taps it lists, and a slot's list the part that it "
            "explains (`sparring list objective kd`); no other list takes a name"
        )
    if what == "recipes":
        print(listing.shown())
        return
    if name and what in verbs.TABLES:
        print(verbs.explained(what, name))
        return
    if name:
        told = {"shape": image_shape(shape), "classes": classes}
        try:
            names = verbs.taps(name, data=data, data_root=data_root, size=size, **told)
        except UserError as error:
            if data or shape:
                raise
            raise UserError(
                f"{error} (asked about images of the digits: give --data DATA or --shape CxHxW for yours)"
            ) from error
    else:
        names = verbs.known(what)
    width = max(map(len, names), default=0)
    for each, about in names.items():
        print(f"{each:<{width}}  {about}")
    if name and not any(each.startswith("stage") for each in names):
        print("It has no stages of feature maps: methods that compare maps refuse it.")

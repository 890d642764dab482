"""Which parts of a network learn."""

from collections.abc import Sequence

from training.network import BaseNetwork


def freeze(network: BaseNetwork, parts: Sequence[str], filled: frozenset[str], section: str) -> None:
    """Freeze ``parts`` of a network.

    Args:
        network: changed in place.
        parts: names as in ``network.parts``.
        filled: the parts that hold learned weights; a random one would never become useful.
        section: of the parameters, for messages.

    Raises:
        ValueError: the network lacks one, one holds random weights, or nothing is left to learn.
    """
    lacking = [part for part in parts if part not in network.parts]
    if lacking:
        raise ValueError(
            f"{section}.freeze names {', '.join(lacking)}, which this network lacks; it has {', '.join(network.parts)}"
        )
    random = [part for part in parts if part not in filled]
    if random:
        raise ValueError(
            f"{section}.freeze names {', '.join(random)}, which would stay random: {section}.init brings no weights "
            "for it; name some that do (see 'cleanplate fetch-weights'), or let it learn"
        )
    if set(network.parts) <= set(parts):
        raise ValueError(f"{section}.freeze names every part, so nothing would learn; leave one of them out")
    network.freeze(*parts)

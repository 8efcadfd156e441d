"""The one door to notifications: Slack, e-mail, Telegram, desktop, webhooks and more, each by an Apprise address."""

from __future__ import annotations

import logging
from collections.abc import Sequence

logger = logging.getLogger(__name__)


def send(addresses: Sequence[str], title: str, text: str) -> int:
    """Send a message to each address; one that fails is a warning, never an error.

    Parameters
    ----------
    addresses
        In the form of Apprise, such as ``json://host/path`` or ``mailto://user:password@host?to=someone``. They hold
        secrets, so warnings name their scheme only.

    Returns
    -------
    int
        How many took the message.
    """
    if not addresses:
        return 0
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its own words repeat addresses
    taken = 0
    for address in addresses:
        scheme = address.partition(":")[0]
        one = apprise.Apprise()
        try:
            sent = one.add(address) and one.notify(body=text, title=title)
        except Exception as error:  # noqa: BLE001 - the boundary to a hundred services: none of them may stop a run
            logger.warning("the notification by %s failed: %s", scheme, type(error).__name__)
            continue
        if not sent:
            logger.warning("the notification by %s was not taken", scheme)
        taken += bool(sent)
    return taken

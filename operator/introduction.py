"""The first words with an API server: are we let in, as whom, and what can it do?"""

from ray_operator.operator.documents import get_object, get_text
from ray_operator.operator.errors import NotFound, Unauthorized
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import SUBJECT_REVIEWS

STREAMS_LISTS_SINCE = 34
"""Kubernetes 1.34 has the gate WatchList on by default; older servers ignore or refuse the wish."""


async def check_access(kube: Kube) -> str:
    """Make sure that requests are authenticated; return as whom ("" if the server can't say).

    Releases of the official client have gone out that sent no Authorization header at all.

    Raises:
        Unauthorized: there are no credentials, or they are refused.
        Unreachable: there is no API server.
    """
    if not await kube.has_credentials():
        raise Unauthorized(
            "there is neither a token nor a client certificate to show to the API server"
        )
    review = {"apiVersion": SUBJECT_REVIEWS.api_version, "kind": SUBJECT_REVIEWS.kind}
    try:
        answer = await kube.create(SUBJECT_REVIEWS, review, repeatable=True)
    except NotFound:  # Kubernetes before 1.27 lacks it
        await kube.get_path("/api")
        return ""
    return get_text(get_object(answer.document, "status", "userInfo"), "username")


async def check_version(kube: Kube) -> str:
    """Learn what the server can do; return its version.

    Raises:
        KubeError: the server does not tell.
    """
    version = await kube.get_path("/version")
    minor = get_text(version, "minor").rstrip("+")
    kube.streams_lists = minor.isdecimal() and int(minor) >= STREAMS_LISTS_SINCE
    return get_text(version, "gitVersion")

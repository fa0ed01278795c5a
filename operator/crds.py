"""Are the installed CRDs there, and as new as this program?

Neither is fatal: kinds without a CRD are not served until it comes, and an old CRD only lacks newer
fields.  But both are the first thing to look at when something does not work, so they are said at
every start.
"""

import asyncio
from collections.abc import Iterable

from ray_operator.operator import metrics
from ray_operator.operator.documents import get_object, get_text
from ray_operator.operator.errors import KubeError, NotFound
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.logs import Logger
from ray_operator.operator.resources import CRDS, Resource

log = Logger(__name__)


async def check_crds(kube: Kube, kinds: Iterable[Resource], annotation: str, revision: int) -> None:
    """Warn of each kind whose CRD is missing, or whose `annotation` is below `revision`."""
    await asyncio.gather(*(_check(kube, kind, annotation, revision) for kind in kinds))


async def _check(kube: Kube, kind: Resource, annotation: str, revision: int) -> None:
    try:
        # A CRD has 1 MB; as objects in memory ten times that, for one annotation.
        crd = await kube.get(CRDS, Key("", str(kind)), wants_all=False)
    except NotFound:
        log.warning("a CRD is missing; its kind is served as soon as it is there", crd=str(kind))
        return
    except KubeError as error:  # without a ClusterRole nobody may look
        log.info("a CRD can't be read, so its age is unknown", crd=str(kind), error=str(error))
        return
    found = get_text(get_object(crd, "metadata", "annotations"), annotation, "0")
    is_old = not found.isdecimal() or int(found) < revision
    metrics.CRD_OUTDATED.labels(kind.kind).set(is_old)
    if is_old:
        log.warning(
            "a CRD is older than this operator; apply config/crd/bases",
            crd=str(kind),
            found=found,
            wanted=revision,
        )

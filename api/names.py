"""The names of everything we create, as functions of the names users gave.

The rules are the peer's, so that its objects are found again; pods and the clusters of a service
are named as its early releases did, which is what users' documents show.
Names that must be cut are cut in front: the end tells objects apart.
"""

import hashlib
import string
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""That of Kubernetes' generated names: no vowels, so no words; no two characters look alike."""
SUFFIX_LENGTH = 5
LONGEST_CHECKED_NAME = 50
"""Leaves room for a suffix and a few characters of the peer's within 63."""
LONGEST_LABEL = 63
"""Limit of the API server for label values, and of a Job's name as a label."""
LONGEST_ROUTE_AND_NAMESPACE = 51
"""A route's host starts with `<route>-<namespace>`, which must leave room in a DNS label of 63."""
LONGEST_SERVICE_WITH_MARK = 36
"""Longest RayService name whose clusters are marked `-raycluster-` and still fit 53 characters."""
LONGEST_REPLICA_GROUP = 57
"""A replica's name is the group's, cut to this, `-` and a suffix: together a label value."""
LONGEST_DETERMINISTIC_HEAD = 50
"""The peer cuts a cluster's name to this for head pods without a random suffix."""


def check_name(name: str) -> str:
    """Cut to the last 50 characters; a digit or punctuation in front becomes the letter `r`."""
    tail = name[-LONGEST_CHECKED_NAME:]
    if tail[:1].isdigit():
        tail = "r" + tail[1:]
    return _without_leading_punctuation(tail)


def check_label(value: str) -> str:
    """Cut to the last 63 characters and replace leading punctuation; also for the names of Jobs."""
    return _without_leading_punctuation(value[-LONGEST_LABEL:])


def route_name(name: str, namespace: str) -> str:
    """Return a route's name that leaves room for the namespace in the route's host name."""
    room = max(0, LONGEST_ROUTE_AND_NAMESPACE - len(namespace))
    return check_name(name[:room]) or "r"


def suffix(seed: str) -> str:
    """Return five characters that depend on `seed` alone: a repeated decision repeats the name.

    SHA-1 of the text as a big-endian integer modulo 27**5, in base 27, most significant first.
    """
    base = len(SUFFIX_ALPHABET)
    digest = hashlib.sha1(seed.encode(), usedforsecurity=False).digest()
    rest = int.from_bytes(digest, "big") % base**SUFFIX_LENGTH
    digits = []
    for _ in range(SUFFIX_LENGTH):
        rest, digit = divmod(rest, base)
        digits.append(SUFFIX_ALPHABET[digit])
    return "".join(reversed(digits))


def head_pod_prefix(cluster: str) -> str:
    """Return what a head pod's name starts with; a suffix follows."""
    return check_name(f"{cluster}-head-".lower())


def worker_pod_prefix(cluster: str, group: str) -> str:
    """Return what the names of a worker group's pods start with; a suffix follows."""
    return check_name(f"{cluster}-worker-{group}-".lower())


@dataclass(frozen=True, slots=True)
class PodSlot:
    """One place for a pod in a cluster; the pods that follow each other in it have different names.

    The head's group is `headgroup`.  `host_index` is `-` where a whole multi-host replica is meant.
    """

    cluster_uid: str
    group: str
    replica_index: int = 0
    host_index: int | Literal["-"] = 0

    def seed(self, predecessor_uid: str = "", salt: int = 0) -> str:
        """Return the seed of a pod's suffix.

        `predecessor_uid` is that of the newest pod that still exists for the slot, finished and
        terminating ones included: so a replacement gets another name.  `salt` is raised by 1 while
        the name is taken by a pod that is not ours for that slot, or stands in `workersToDelete`.
        """
        place = f"{self.cluster_uid}/{self.group}/{self.replica_index}/{self.host_index}"
        return f"{place}/{predecessor_uid}/{salt}"


def head_pod_name(cluster: str, seed: str) -> str:
    """Return the name of a head pod; `seed` comes from its `PodSlot`."""
    return head_pod_prefix(cluster) + suffix(seed)


def deterministic_head_pod_name(cluster: str) -> str:
    """Return the head pod's name for ENABLE_DETERMINISTIC_HEAD_POD_NAME: without a suffix."""
    return f"{cluster[:LONGEST_DETERMINISTIC_HEAD]}-head"


def worker_pod_name(cluster: str, group: str, seed: str) -> str:
    """Return the name of a worker pod; `seed` comes from its `PodSlot`."""
    return worker_pod_prefix(cluster, group) + suffix(seed)


def replica_name(group: str, seed: str) -> str:
    """Return the name that the pods of one multi-host replica share, as a label value."""
    return f"{group[:LONGEST_REPLICA_GROUP]}-{suffix(seed)}"


def head_service(cluster: str) -> str:
    """Return the name of the Service in front of a cluster's head, unless the user named it."""
    return f"{cluster}-head-svc"


def serve_service(owner: str) -> str:
    """Return the name of the Service in front of a RayService's or RayCluster's Serve proxies."""
    return f"{owner}-serve-svc"


def head_alias_service(service: str) -> str:
    """Return the second name under which a RayService's head is reached."""
    return f"{service}-head"


def headless_worker_service(cluster: str) -> str:
    """Return the name of the Service that gives the pods of multi-host groups their DNS names."""
    return f"{cluster}-headless"


def dashboard_service(cluster: str) -> str:
    """Return the name of the Service in front of the dashboard agent on the head."""
    return check_name(f"{cluster}-dashboard-svc")


def ingress(cluster: str) -> str:
    """Return the name of the Ingress to the head."""
    return check_name(f"{cluster}-head-ingress")


def route(cluster: str, namespace: str) -> str:
    """Return the name of the OpenShift Route to the head."""
    return route_name(f"{cluster}-head-route", namespace)


def autoscaler_account(cluster: str) -> str:
    """Return the name of the autoscaler's ServiceAccount, Role and RoleBinding."""
    return check_name(cluster)


def auth_secret(cluster: str) -> str:
    """Return the name of the Secret with a cluster's token."""
    return check_name(cluster)


def gcs_claim(cluster: str) -> str:
    """Return the name of the PersistentVolumeClaim of a head that keeps its state in RocksDB."""
    return f"{cluster}-gcs-pvc"


def redis_cleanup_job(cluster: str) -> str:
    """Return the name of the Job that deletes a cluster's keys from Redis."""
    return check_label(f"{cluster}-redis-cleanup")


def head_disruption_budget(cluster: str) -> str:
    """Return the name of the PodDisruptionBudget that protects the head."""
    return f"{cluster}-head"


def head_network_policy(cluster: str) -> str:
    """Return the name of the head's NetworkPolicy."""
    return f"{cluster}-head"


def worker_network_policy(cluster: str, group: str) -> str:
    """Return the name of a worker group's NetworkPolicy."""
    return f"{cluster}-workers-{group}"


def serve_connections_config_map(cluster: str) -> str:
    """Return the name of the ConfigMap with the module that bounds the age of Serve connections."""
    return f"{cluster}-serve-connections"


def head_identifier(owner: str) -> str:
    """Return the identifier label of a head pod and of the Services that select it."""
    return check_label(f"{owner}-head")


def worker_identifier(cluster: str) -> str:
    """Return the identifier label of worker pods."""
    return check_label(f"{cluster}-worker")


def rayservice_cluster_name(service: str, random_suffix: str) -> str:
    """Return the name of a RayService's cluster; its random suffix is stored in status first."""
    if len(service) <= LONGEST_SERVICE_WITH_MARK:
        return f"{service}-raycluster-{random_suffix}"
    return f"{service}-{random_suffix}"


def rayjob_cluster_name(job: str, uid: str, attempt: int) -> str:
    """Return the name of the cluster that an attempt of a RayJob runs on."""
    return f"{job}-{suffix(f'{uid}/{attempt}/cluster')}"


def rayjob_submission_id(job: str, uid: str, attempt: int) -> str:
    """Return the id under which an attempt of a RayJob is submitted to Ray."""
    return f"{job}-{suffix(f'{uid}/{attempt}/job')}"


def cron_child_name(cron: str, tick: datetime) -> str:
    """Return the name of the RayJob that a RayCronJob makes for `tick`: minutes since 1970, UTC."""
    return f"{cron}-{int(tick.timestamp()) // 60}"


def gateway(service: str) -> str:
    """Return the name of a RayService's Gateway."""
    return f"{service}-gateway"


def http_route(service: str) -> str:
    """Return the name of a RayService's HTTPRoute."""
    return f"{service}-httproute"


def evidence_config_map(job: str) -> str:
    """Return the name of the ConfigMap that keeps what a failed RayJob left behind."""
    return f"{job}-postmortem"


def _without_leading_punctuation(text: str) -> str:
    if text[:1] in set(string.punctuation):
        return "r" + text[1:]
    return text

"""The syntax of Kubernetes' names and labels.

Rules: `k8s.io/apimachinery/pkg/util/validation`.  Each function returns what was expected, or
`None` if it is so.
"""

import re

LONGEST_LABEL_VALUE = 63
LONGEST_DNS_LABEL = 63
LONGEST_PREFIX = 253

_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_DNS_1123 = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


def dns_1035_fault(name: str) -> str | None:
    """Judge a name that a Service can have: lower-case, a letter first."""
    if _DNS_1035.fullmatch(name):
        return None
    return "expected lower-case letters, digits and '-', a letter first and no '-' last"


def dns_1123_fault(name: str) -> str | None:
    """Judge a name that can be part of the name of most objects."""
    if len(name) > LONGEST_DNS_LABEL:
        return f"expected at most {LONGEST_DNS_LABEL} characters, found {len(name)}"
    if _DNS_1123.fullmatch(name):
        return None
    return "expected lower-case letters, digits and '-', and no '-' first or last"


def label_value_fault(value: str) -> str | None:
    """Judge the value of a label; it may be empty."""
    if len(value) > LONGEST_LABEL_VALUE:
        return f"expected at most {LONGEST_LABEL_VALUE} characters, found {len(value)}"
    if not value or _NAME.fullmatch(value):
        return None
    return "expected letters, digits, '-', '_' and '.', with a letter or digit first and last"


def label_key_fault(key: str) -> str | None:
    """Judge the key of a label: a name, perhaps after a domain and `/`."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > LONGEST_PREFIX or not _SUBDOMAIN.fullmatch(prefix)):
        return "expected a DNS domain before '/'"
    return label_value_fault(name) if name else "expected a name"

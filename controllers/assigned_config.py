"""The Serve config that a RayService assigned to a RayCluster, read back from its annotations.

Shared, because both controllers need it: RayService submits it, RayCluster opens its port.
"""

import base64
import binascii
import zlib
from collections.abc import Mapping

from ray_operator.api import annotations
from ray_operator.operator.documents import JsonObject, decode, get_int, get_object

PACKED = "gzip:"
"""What a config that is too long for plain text begins with; base64 of gzip follows."""
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_LARGEST_BYTES = 4 * 1024 * 1024
"""Far above any config: an annotation of a few kB must not fill the memory."""


def read_assigned(texts: Mapping[str, str]) -> JsonObject | None:
    """Return the config that a cluster's annotations hold; `None` if they hold none."""
    text = texts.get(annotations.SERVE_CONFIG, "")
    try:
        if text.startswith(PACKED):
            packed = base64.b64decode(text.removeprefix(PACKED), validate=True)
            return decode(zlib.decompressobj(_GZIP_WINDOW).decompress(packed, _LARGEST_BYTES))
        return decode(text)
    except (ValueError, binascii.Error, zlib.error):
        return None


def assigned_serve_port(texts: Mapping[str, str]) -> int | None:
    """Return the port that the assigned config gives Serve's proxies; `None`: Serve's default."""
    options = get_object(read_assigned(texts) or {}, "http_options")
    return get_int(options, "port") or None

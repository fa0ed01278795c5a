"""Rules about the names of our objects: their children's names must fit and be valid."""

from ray_operator.api.kinds import Kind
from ray_operator.api.problems import Problem, Problems
from ray_operator.api.syntax import dns_1035_fault
from ray_operator.operator.documents import JsonObject, get_object, get_text


def find_name_problems(document: JsonObject, kind: Kind) -> Problems:
    """Check `metadata.name`."""
    name = get_text(get_object(document, "metadata"), "name")
    if len(name) > kind.longest_name:
        yield Problem(
            "metadata.name",
            f"expected at most {kind.longest_name} characters for a {kind.name}, so that the names "
            f"of its children fit, found {len(name)}",
            "Metadata",
        )
    fault = dns_1035_fault(name)
    if fault:
        yield Problem("metadata.name", f"{fault}, found {name!r}", "Metadata")

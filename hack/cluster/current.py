"""The cluster that kubectl points at: nothing is made, nothing is taken down."""

from dataclasses import dataclass

from hack.cluster import images
from hack.cluster.cache import Cache
from hack.cluster.errors import ClusterError, CommandError
from hack.cluster.progress import Progress
from hack.cluster.shell import Shell
from hack.cluster.versions import PYTHON_IMAGE


@dataclass(frozen=True, slots=True)
class Current:
    """This way's cluster."""

    cache: Cache
    progress: Progress

    def up(self) -> None:
        """See that it answers.

        Raises:
            ClusterError: it does not.
        """
        with self.progress.stage("Ask the current cluster"):
            try:
                self.shell().output("kubectl", "get", "--raw=/readyz", seconds=20)
            except CommandError as error:
                raise ClusterError(
                    f"CLUSTER=current, but kubectl reaches none:\n{error}"
                ) from error

    def down(self, *, everything: bool) -> None:
        """Leave it alone."""
        del everything
        self.progress.say("CLUSTER=current: it stays as it is")

    def load(self, *names: str) -> None:
        """Nothing: how images get into a cluster is its owner's business."""
        self.progress.say(f"CLUSTER=current: see to it that it can pull {' '.join(names)}")

    def build_operator(self, name: str) -> None:
        """Build the operator's image with the Docker daemon that there is."""
        docker = images.Docker(self.cache, self.shell(), isolated=False)
        with self.progress.stage(f"Image {name}"):
            images.operator(docker, PYTHON_IMAGE, name)

    def environment(self) -> dict[str, str]:
        """Nothing: the user's own holds."""
        return {}

    def shell(self) -> Shell:
        """The user's environment."""
        return Shell(self.cache.logs / "cluster.log", {"DOCKER_BUILDKIT": "1"})

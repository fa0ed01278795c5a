# The operator's image. BASE is any image with Python 3.11 or newer and its venv
# module. A change of the source rebuilds the last, small layer alone.
ARG BASE=python:3.11-slim

FROM ${BASE} AS dependencies
COPY requirements.lock /tmp/
# The secrets, both optional, say how this host reaches its package index.
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.crt \
    python -m venv --without-pip /opt/ray-operator \
 && PIP_CONFIG_FILE=/run/secrets/pip.conf pip --python /opt/ray-operator/bin/python install \
      --no-cache-dir --progress-bar=off --requirement /tmp/requirements.lock

# What builds the package stays out of the image that runs it.
FROM dependencies AS package
COPY pyproject.toml /source/
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.crt \
    PIP_CONFIG_FILE=/run/secrets/pip.conf pip --python /opt/ray-operator/bin/python install \
      --no-cache-dir --progress-bar=off 'setuptools>=77'
COPY setup.cfg README.md LICENSE /source/
COPY operator /source/operator
COPY api /source/api
COPY controllers /source/controllers
# pip compiles the bytecode: the file system is read-only where this runs.
RUN pip --python /opt/ray-operator/bin/python install --no-deps --no-build-isolation \
      --no-cache-dir --disable-pip-version-check --root /package /source

FROM dependencies
COPY --from=package /package/ /
ENV PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/opt/ray-operator/bin/ray-operator"]

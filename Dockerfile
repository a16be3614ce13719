# The pages, then the wheel, then an image with nothing but Python and Bridge in it.

FROM node:22-slim AS pages
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY web ./
RUN npm run build

FROM python:3.13-slim AS wheel
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements/run.txt requirements/build.txt requirements/
RUN python -m venv /opt/bridge \
    && /opt/bridge/bin/pip install --require-hashes -r requirements/run.txt \
    && python -m pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY bridge bridge
COPY --from=pages /src/bridge/static bridge/static
RUN python -m hatchling build --target wheel /dist \
    && /opt/bridge/bin/pip install --no-deps --no-index /dist/*.whl

FROM python:3.13-slim
# A fixed number: who runs it must be known where a volume is prepared.
RUN groupadd --gid 10001 bridge \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin bridge \
    && install --directory --owner bridge --group bridge --mode 0750 /data
COPY --from=wheel /opt/bridge /opt/bridge
ENV PATH=/opt/bridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BRIDGE_HOST=0.0.0.0 \
    BRIDGE_PORT=8080 \
    BRIDGE_DATA_DIR=/data
USER 10001:10001
# Nothing is written outside this folder and /tmp: the rest may be mounted read-only.
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['BRIDGE_PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["bridge"]
CMD ["serve"]

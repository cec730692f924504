# 星影のコンテナー。libllama と GGUF モデルは入っていません（ボリュームで渡します）。使い方は compose.yaml にあります。
# The container of Hoshikage, without libllama and models, which come as volumes. compose.yaml says how to use it.

# NVIDIA GPU: nvidia/cuda:12.8.1-runtime-ubuntu24.04 (compose.cuda.yaml)
ARG BASE=ubuntu:24.04

# hadolint ignore=DL3006
FROM ${BASE} AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/hoshikage
WORKDIR /src
# 例: --build-arg VERSION=0.1.0 / for example. Git, which knows it, is not in here.
ARG VERSION=0.dev0
COPY pyproject.toml setup.cfg LICENSE README*.md ./
COPY hoshikage ./hoshikage
COPY demo ./demo
RUN SETUPTOOLS_SCM_PRETEND_VERSION_FOR_HOSHIKAGE="${VERSION}" \
    /opt/hoshikage/bin/pip install --no-cache-dir ".[media]" ./demo

# hadolint ignore=DL3006
FROM ${BASE}
# libgomp1 is what libllama computes with on the CPU; ca-certificates is for `hoshikage lib install`.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libgomp1 python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --home-dir /data --shell /usr/sbin/nologin hoshikage \
    && install -d -o hoshikage -g hoshikage /data /data/cache /data/hoshikage /data/hoshikage/lib /models
COPY --from=build /opt/hoshikage /opt/hoshikage

# 0.0.0.0: the container's own network. The server wants a token there: hoshikage token create NAME
ENV PATH=/opt/hoshikage/bin:$PATH \
    LANG=C.UTF-8 \
    HOME=/data \
    XDG_CONFIG_HOME=/data \
    XDG_CACHE_HOME=/data/cache \
    MODEL_DIR=/models \
    HOST=0.0.0.0 \
    PORT=3030
USER 10001
WORKDIR /data/hoshikage
VOLUME ["/data/hoshikage", "/data/cache", "/data/hoshikage/lib", "/models"]
EXPOSE 3030
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python3", "-c", "import http.client, os, sys; ask = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); ask.request('GET', '/health'); sys.exit(ask.getresponse().status != 200)"]
ENTRYPOINT ["hoshikage"]
CMD ["serve"]

# A broker for docker run, compose files and CI services. docs/container.md says what it takes.
# scripts/container-steps reads this file and executes its steps, without a container engine; it knows the
# instructions that are used here and no others.

FROM debian:bookworm-slim AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml README.md /src/
COPY kwire /src/kwire
COPY codecs /src/codecs
COPY storage /src/storage
# Compiled here, since the user that runs it cannot write beside the modules. zstandard has a second backend of
# 12 MB, for interpreters without C extensions.
RUN python3 -m venv /opt/kwire \
    && /opt/kwire/bin/pip install --no-cache-dir --compile /src \
    && /opt/kwire/bin/pip uninstall -y -q setuptools pip \
    && rm -f /opt/kwire/lib/python3*/site-packages/zstandard/_cffi.*

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt \
    && groupadd --gid 1000 kwire \
    && useradd --uid 1000 --gid 1000 --home-dir /var/lib/kafka --no-create-home --shell /usr/sbin/nologin kwire \
    && install -d -o 1000 -g 0 -m 0775 /var/lib/kafka/data /mnt/shared/config
COPY --from=build /opt/kwire /opt/kwire
# The paths that wrappers of Kafka's images call and write to.
COPY --chown=1000:0 docker/run /etc/kafka/docker/run
COPY --chown=1000:0 docker/run /etc/confluent/docker/run
COPY --chown=1000:0 docker/run /etc/confluent/docker/launch
COPY --chown=1000:0 docker/configure /etc/confluent/docker/configure
COPY --chown=1000:0 docker/configure /etc/confluent/docker/ensure
COPY --chown=1000:0 docker/bash-config /etc/confluent/docker/bash-config
RUN chown 1000:0 /etc/confluent/docker
ENV PATH=/opt/kwire/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER 1000:1000
VOLUME ["/var/lib/kafka/data"]
EXPOSE 9092
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=3 CMD ["kwire", "health", "--from-environment"]
# No ENTRYPOINT: wrappers such as Testcontainers give a command of their own, a shell's.
CMD ["kwire", "serve", "--from-environment"]

# The service: `docker build -t orderengine .`; the command says what it does: serve, work, db, keys.
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /venv
COPY requirements/service.txt requirements/
# The locked set holds the build backend too, so nothing is fetched that was not locked by its hash.
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
    -r requirements/service.txt
COPY pyproject.toml README.md LICENSE ./
COPY orderengine orderengine
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps \
    --no-build-isolation .

FROM python:3.12-slim
# A number, so that an orchestrator can see that it is not root.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin orderengine \
    && mkdir /data && chown 10001 /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ORDERENGINE_ENV=production \
    HOST=0.0.0.0 \
    PORT=3000
USER 10001
WORKDIR /data
EXPOSE 3000
STOPSIGNAL SIGTERM
CMD ["orderengine", "serve"]

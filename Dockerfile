# bff with the example app, in a small image that runs as nobody in particular and writes nothing.
# Your own app: build from this file's stage `server`, and bring a configuration and a directory of files.

# ── the example app: what `make demo` runs too ──────────────────────────────────────────────────────────────
FROM node:24-slim AS app
WORKDIR /src
COPY frontend_example/package.json frontend_example/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY frontend_example/index.html frontend_example/tsconfig.json frontend_example/vite.config.ts frontend_example/compress.mjs ./
COPY frontend_example/src ./src
RUN npm run build

# ── the console, which comes with bff ───────────────────────────────────────────────────────────────────────
FROM node:24-slim AS console
WORKDIR /src
COPY bff/web/console/package.json bff/web/console/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY bff/web/console/index.html bff/web/console/tsconfig.json bff/web/console/vite.config.ts ./
COPY bff/web/console/src ./src
COPY bff/web/console/tests ./tests
RUN npm run build

# ── bff: the locked packages first, since they change least, then its own wheel ─────────────────────────────
FROM python:3.13-slim AS packages
RUN python -m venv /opt/bff
WORKDIR /src
COPY requirements.lock ./
RUN /opt/bff/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY bff ./bff
COPY --from=console /src/dist ./bff/web/console/dist
RUN /opt/bff/bin/python -m pip wheel --no-cache-dir --disable-pip-version-check --no-deps --wheel-dir dist .
RUN /opt/bff/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --no-index --find-links dist bff

# ── what runs ───────────────────────────────────────────────────────────────────────────────────────────────
FROM python:3.13-slim AS server
COPY --from=packages /opt/bff /opt/bff
ENV PATH=/opt/bff/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /tmp

# ── the demo API, which needs no package that bff does not ──────────────────────────────────────────────────
FROM server AS demo-api
COPY frontend_example/demo/api.py frontend_example/demo/asgi_replies.py frontend_example/demo/tasks.py frontend_example/demo/token_check.py /srv/api/
EXPOSE 9001
CMD ["python", "/srv/api/api.py"]

# ── bff, the default ────────────────────────────────────────────────────────────────────────────────────────
FROM server AS bff
COPY --from=app /src/dist /srv/app
EXPOSE 8080
# Ready is more than alive: the store answers too. A 503 makes urlopen raise, and python exit with 1.
HEALTHCHECK --interval=5s --timeout=4s --start-period=15s --retries=3 \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9090/health/ready', timeout=3)"]
ENTRYPOINT ["bff"]
CMD ["run", "-c", "/etc/bff/bff.toml"]

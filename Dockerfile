# The page (Node), the binaries (Rust), then the binaries alone.
FROM node:20-bookworm AS page
WORKDIR /page
COPY dashboard/ui/ .
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && npx vite build --outDir /page-dist

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
COPY --from=page /page-dist /page-dist
RUN IOC_UI_DIST=/page-dist cargo build --locked --release -p ioc -p ioc-sim

FROM debian:bookworm-slim
RUN useradd --system --home /var/lib/ioc --create-home ioc
COPY --from=build /src/target/release/ioc /src/target/release/ioc-sim /usr/local/bin/
USER ioc
VOLUME /var/lib/ioc
EXPOSE 1883 8080
ENTRYPOINT ["ioc"]
CMD ["run", "--data", "/var/lib/ioc", "--mqtt-listen", "0.0.0.0:1883", "--http-listen", "0.0.0.0:8080"]

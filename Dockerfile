# Two steps as in the Makefile: build, then run the binaries alone.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends nodejs npm && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --locked --release -p ioc -p ioc-sim

FROM debian:bookworm-slim
RUN useradd --system --home /var/lib/ioc --create-home ioc
COPY --from=build /src/target/release/ioc /src/target/release/ioc-sim /usr/local/bin/
USER ioc
VOLUME /var/lib/ioc
EXPOSE 1883 8080
ENTRYPOINT ["ioc"]
CMD ["run", "--data", "/var/lib/ioc", "--mqtt-listen", "0.0.0.0:1883", "--http-listen", "0.0.0.0:8080"]

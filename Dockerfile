# The image of aofsidecar: one static program, the certificates that it trusts, and three folders to write to.
#
#   make image                                  # or: docker build --build-arg VERSION=$(git describe --tags --always) .
#   docker run --read-only -v mirror:/data ghcr.io/aofsidecar/aofsidecar run --set upstream.addr=redis:6379
#
# scripts/image-test.sh holds what is promised here.

FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
# Empty: Go's defaults. A build without the network takes a folder: GOPROXY=file:///modules.
ARG GOPROXY=
ARG GOFLAGS=
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Set by the builder; without it, empty: this machine's.
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=unknown
RUN CGO_ENABLED=0 GOOS="$TARGETOS" GOARCH="$TARGETARCH" \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /image/root/aofsidecar ./cmd/aofsidecar
# scratch has no mkdir and no chown: what it is to have is laid out here. The program stays root's, the folders are the user's.
RUN install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /image/root/etc/ssl/certs/ca-certificates.crt \
 && install -D -m 0644 LICENSE /image/root/usr/share/doc/aofsidecar/LICENSE \
 && install -d -m 1777 /image/root/tmp \
 && install -d -m 0750 /image/user/data /image/user/run/aofsidecar

FROM scratch
ARG VERSION=unknown
LABEL org.opencontainers.image.title="aofsidecar" \
      org.opencontainers.image.description="Mirror a live Redis or Valkey into an append-only directory that a stock server boots from" \
      org.opencontainers.image.source="https://github.com/aofsidecar/aofsidecar" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /image/root/ /
COPY --from=build --chown=65532:65532 /image/user/ /
USER 65532:65532
# The mirror, and the control socket, which HEALTHCHECK asks: both must be writable where the root is read-only.
VOLUME ["/data", "/run/aofsidecar"]
EXPOSE 9379
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=11s --start-period=60s --retries=3 CMD ["/aofsidecar", "status", "--check"]
ENTRYPOINT ["/aofsidecar"]
CMD ["run"]

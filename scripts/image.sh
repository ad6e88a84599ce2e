#!/usr/bin/env bash
#
# image.sh builds the image with what this machine has: docker where an engine answers, else buildah.
#
#   scripts/image.sh NAME:TAG   build Dockerfile and name the image so
#   scripts/image.sh --help     print this
#
# Read from the environment, all optional:
#
#   VERSION           what `aofsidecar version` is to say
#   GOPROXY, GOFLAGS  given to the build; without them it uses Go's defaults
#   IMAGE_TOOL        docker or buildah, and no other
#   IMAGE_FLAGS       more flags for `docker build` or `buildah build`, split at spaces
#
# Exit: 0 built, 1 failed, 2 wrong usage, 3 neither tool is here.

set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/.."

usage() {
	local line
	while read -r line && [[ -n $line ]]; do
		[[ $line == '#!'* ]] || { line=${line#\#}; printf '%s\n' "${line# }"; }
	done <"scripts/${BASH_SOURCE[0]##*/}"
}

case ${1-} in
--help) usage; exit 0 ;;
"" | -*) usage >&2; exit 2 ;;
esac

args=(--tag "$1" --build-arg "VERSION=${VERSION:-unknown}")
for name in GOPROXY GOFLAGS; do
	[[ -z ${!name-} ]] || args+=(--build-arg "$name=${!name}")
done
read -r -a more <<<"${IMAGE_FLAGS-}"
args+=("${more[@]}")

if [[ ${IMAGE_TOOL-docker} == docker ]] && docker info >/dev/null 2>&1; then
	exec docker build "${args[@]}" .
fi
if [[ ${IMAGE_TOOL-buildah} == buildah ]] && command -v buildah >/dev/null; then
	case $(uname -m) in
	aarch64) machine=arm64 ;;
	*) machine=amd64 ;;
	esac
	# OCI's own format has no place for HEALTHCHECK. Debian 12's buildah does not know BUILDPLATFORM by itself.
	exec buildah build --format docker --build-arg "BUILDPLATFORM=linux/$machine" "${args[@]}" .
fi
printf '%s\n' "image.sh: no image was built: no docker engine answers here${IMAGE_TOOL:+ (or IMAGE_TOOL forbids it)}, and there is no buildah" \
	'Try: apt-get install buildah, or start the docker engine' >&2
exit 3

package main

import (
	"net"
	"net/url"

	"go.uber.org/zap"
)

// warnExposed says at each start what of the configuration leaves secrets or data to others.
func warnExposed(effective *loaded, logger *zap.Logger) {
	config := effective.config
	if bool(config.Upstream.TLS.Enabled) && bool(config.Upstream.TLS.InsecureSkipVerify) {
		logger.Warn("any certificate of the upstream is trusted: whoever stands between sees the password and the data, and can change them",
			zap.String("because", "upstream.tls.insecure-skip-verify"), zap.String("try", "upstream.tls.ca-file, and upstream.tls.server-name where the name differs"))
	}
	if effective.origins["upstream.password"] == "--set" {
		logger.Warn("everybody on this machine can read the upstream's password in the list of processes",
			zap.String("because", "--set upstream.password"), zap.String("try", "upstream.password-file"))
	}
	if config.Archive.URL != "" && isBare(config.Archive.S3.Endpoint) {
		logger.Warn("the archive is spoken to without TLS: whoever stands between sees the data, and can change them",
			zap.String("because", "archive.s3.endpoint is http"), zap.String("try", "https, with AWS_CA_BUNDLE where the authority is your own"))
	}
}

// isBare reports whether a URL is plain HTTP to another machine.
func isBare(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
}

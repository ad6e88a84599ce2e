package chartcheck

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRefused names each combination that cannot work, and what is said of it.
func TestRefused(t *testing.T) {
	t.Parallel()
	const (
		standalone = "config: {upstream: {addr: 'redis:6379'}}\n"
		withRedis  = "mode: with-redis\nconfig: {archive: {url: 's3://b/p'}}\n"
	)
	tests := []struct{ name, base, values, want string }{
		{"no upstream", "", "mode: standalone", "config.upstream.addr is missing: write the host:port"},
		{"the pod itself", "", "config: {upstream: {addr: '127.0.0.1:6379'}}", "config.upstream.addr is this pod"},
		{"the pod itself by name", "", "config: {upstream: {addr: 'localhost:6379'}}", "config.upstream.addr is this pod"},
		{"an upstream beside the server", withRedis, "config: {upstream: {addr: 'redis:6379'}}", "config.upstream.addr is the server in the pod"},
		{"one prefix for two", standalone, "{replicas: 2, config: {archive: {url: 's3://b/p'}}}", "replicas is 2 and config.archive.url is one prefix: write ${POD_NAME} into it"},
		{"an escaped prefix", standalone, "{replicas: 2, config: {archive: {url: 's3://b/$${POD_NAME}'}}}", "write ${POD_NAME} into it"},
		{"one prefix for two servers", withRedis, "replicas: 3", "replicas is 3 and config.archive.url is one prefix"},
		{"a password in a ConfigMap", standalone, "config: {upstream: {password: hush}}", "put it into a Secret"},
		{"two passwords", standalone, "{auth: {existingSecret: s}, config: {upstream: {password-file: /x}}}", "auth.existingSecret gives the password already"},
		{"two of TLS", standalone, "{tls: {existingSecret: s}, config: {upstream: {tls: {ca-file: /x}}}}", "tls.existingSecret gives the certificates already"},
		{"half a certificate", standalone, "tls: {existingSecret: s, certKey: tls.crt}", "tls.certKey and tls.keyKey belong together"},
		{"TLS on loopback", withRedis, "tls: {existingSecret: s}", "with-redis talks on loopback"},
		{"TLS on loopback by hand", withRedis, "config: {upstream: {tls: {enabled: true}}}", "with-redis talks on loopback"},
		{"a deaf port", standalone, "config: {http: {addr: '127.0.0.1:9379'}}", "config.http.addr must be :PORT"},
		{"no port", standalone, "config: {http: {addr: ''}}", "config.http.addr is empty and the probes would find nobody"},
		{"the server's port", withRedis, "config: {http: {addr: ':6379'}}", "config.http.addr takes the server's port"},
		{"a socket on the root", standalone, "config: {control: {socket: /tmp/x.sock}}", "config.control.socket must be in /run/aofsidecar"},
		{"a directory on the root", standalone, "config: {aof: {dir: /var/lib/x}}", "config.aof.dir must be in /data"},
		{"a way out", standalone, "config: {aof: {dir: /data/../x}}", "config.aof.dir must be in /data"},
		{"no time to stop", standalone, "terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds is 30 and stopping may take 40 s"},
		{"no time for the server", withRedis, "terminationGracePeriodSeconds: 45", "terminationGracePeriodSeconds is 45 and stopping may take 60 s"},
		{"a longer timeout", standalone, "{terminationGracePeriodSeconds: 60, config: {shutdown-timeout: 2m0.5s}}", "stopping may take 131 s"},
		{"nothing kept", standalone, "persistence: {enabled: false}", "nothing would be kept"},
		{"one claim for two", standalone, "{replicas: 2, persistence: {existingClaim: c}}", "persistence.existingClaim is one volume"},
		{"one server's claim for two", withRedis, "{replicas: 2, config: {archive: {url: 's3://b/${POD_NAME}'}}, server: {persistence: {existingClaim: c}}}", "server.persistence.existingClaim is one volume"},
		{"one claim for server and sidecar", withRedis, "{persistence: {existingClaim: c}, server: {persistence: {existingClaim: c}}}", "server and sidecar must not share a volume"},
		{"a server that forgets", withRedis, "{server: {persistence: {enabled: false}}, restore: {enabled: false}}", "each new pod begins empty"},
		{"no archive to restore from", "", "mode: with-redis", "there is no archive to restore from"},
		{"an archive beside the sidecar's log", withRedis, "config: {archive: {url: 'file:///data/archive'}}", "the restore would find no backup there"},
		{"an archive on no volume", withRedis, "{config: {archive: {url: 'file:///archive/prod'}}, extraVolumeMounts: [{name: a, mountPath: /arch}]}", "the restore would find no backup there"},
		{"an archive in the server's volume", withRedis, "{config: {archive: {url: 'file:///data/archive'}}, extraVolumeMounts: [{name: a, mountPath: /data/archive}]}", "extraVolumeMounts has /data/archive"},
		{"a restore that is off", withRedis, "restore: {enabled: false, required: true}", "have no effect without restore.enabled"},
		{"a restore of nothing", standalone, "restore: {required: true}", "restore.required and restore.args are for mode with-redis"},
		{"a restore over data", withRedis, "restore: {args: [--force]}", "does not match pattern"},
		{"a restore that does nothing", withRedis, "restore: {args: [--dry-run]}", "does not match pattern"},
		{"a restore of another archive", withRedis, "restore: {args: ['--archive=s3://other']}", "does not match pattern"},
		{"an archive that cannot be read", withRedis, "config: {archive: {encryption: {recipients: [age1x]}}}", "the archive is encrypted and the restore could not read it"},
		{"two identities", withRedis, "{encryption: {existingSecret: s}, config: {archive: {encryption: {identity-file: /x}}}}", "gives the identity to the restore already"},
		{"an identity for nothing", standalone, "encryption: {existingSecret: s}", "encryption.existingSecret is for the restore"},
		{"a server to verify with", standalone, "config: {archive: {url: 's3://b/p', verify: {interval: 24h, level: boot, boot-command: redis-server}}}", "the image has no server"},
		{"a look into what is encrypted", standalone, "config: {archive: {url: 's3://b/p', verify: {interval: 24h}, encryption: {recipients: [age1x]}}}", "the sidecar cannot read what is encrypted"},
		{"credentials for a folder", standalone, "{s3: {existingSecret: s}, config: {archive: {url: 'file:///archive'}}}", "s3.existingSecret has no effect"},
		{"a hidden setting", standalone, "extraEnv: [{name: AOFSIDECAR_ARCHIVE_URL, value: 's3://b/p'}]", "extraEnv has AOFSIDECAR_ARCHIVE_URL: write the setting under config"},
		{"another name of the pod", standalone, "extraEnv: [{name: POD_NAME, value: x}]", "extraEnv has POD_NAME, which the chart sets"},
		{"a hidden argument", standalone, "extraArgs: ['--set=archive.url=s3://b/p']", "extraArgs has --set=archive.url=s3://b/p: write settings under config"},
		{"another configuration", standalone, "extraArgs: [--config, /x]", "extraArgs has --config"},
		{"a linger that is too short", withRedis, "{nativeSidecar: {enabled: false}, config: {shutdown-linger: 1s}}", "config.shutdown-linger is shorter than server.shutdownTimeout (10 s)"},
		{"another directory of the server", withRedis, "server: {extraConfig: \"maxmemory 1gb\\n  dir /tmp\\n\"}", "server.extraConfig has dir, which the chart sets"},
		{"no log of the server", withRedis, "server: {extraConfig: 'AppendOnly no'}", "server.extraConfig has AppendOnly, which the chart sets"},
		{"a password in the server's ConfigMap", withRedis, "server: {extraConfig: 'requirepass hush'}", "server.extraConfig has requirepass, which would be readable"},
		{"a user's password in the server's ConfigMap", withRedis, "server: {extraConfig: 'user app on +@all ~* >hush'}", "server.extraConfig has a user with a password, which would be readable"},
		{"no log of the server by argument", withRedis, "server: {extraArgs: [--appendonly, 'no']}", "server.extraArgs has --appendonly, which the chart sets"},
		{"annotations of nobody", standalone, "serviceAccount: {create: false, annotations: {a: b}}", "serviceAccount.annotations have no effect"},
		{"a budget of nothing", standalone, "podDisruptionBudget: {enabled: true, minAvailable: 1}", "no node could be drained"},
		{"a port that is not known", "", "{networkPolicy: {enabled: true}, config: {upstream: {addr: 'redis:${PORT}'}}}", "no port that the NetworkPolicy could let through"},
		{"root", standalone, "securityContext: {runAsUser: 0}", "/securityContext/runAsUser"},
		{"a server of root", withRedis, "server: {securityContext: {runAsUser: 0}}", "/server/securityContext/runAsUser"},
		{"whatever is newest", standalone, "image: {tag: latest}", "/image/tag"},
		{"no such mode", "", "mode: sentinel", "/mode"},
		{"no such setting", standalone, "config: {upstream: {adr: x}}", "additional properties 'adr' not allowed"},
		{"no such value", standalone, "replicaCount: 2", "additional properties 'replicaCount' not allowed"},
		{"a number without a unit", standalone, "config: {shutdown-timeout: '30'}", "/config/shutdown-timeout"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			args := []string{"--values", valuesFile(t, test.values)}
			if test.base != "" {
				render(t, "--values", valuesFile(t, test.base)) // it is what is added that is refused
				args = append([]string{"--values", valuesFile(t, test.base)}, args...)
			}
			require.Contains(t, refusal(t, args...), test.want)
		})
	}
}

{{/* What cannot work, or would lose data, is refused here: one line, with what to do instead. */}}
{{- define "aofsidecar.validate" -}}
{{- include "aofsidecar.validateUpstream" . -}}
{{- include "aofsidecar.validateArchive" . -}}
{{- include "aofsidecar.validatePod" . -}}
{{- include "aofsidecar.validateVolumes" . -}}
{{- include "aofsidecar.validateOverrides" . -}}
{{- if eq .Values.mode "with-redis" -}}
{{- include "aofsidecar.validateServer" . -}}
{{- else -}}
{{- include "aofsidecar.validateStandalone" . -}}
{{- end -}}
{{- end -}}

{{- define "aofsidecar.validateUpstream" -}}
{{- $password := include "aofsidecar.setting" (list . "upstream.password" "") -}}
{{- if and $password (not (regexMatch `^\$\{[A-Za-z_][A-Za-z0-9_]*\}$` $password)) -}}
{{- fail "config.upstream.password would be readable in a ConfigMap: put it into a Secret, and name that in auth.existingSecret" -}}
{{- end -}}
{{- if and .Values.auth.existingSecret (or $password (include "aofsidecar.setting" (list . "upstream.password-file" ""))) -}}
{{- fail "auth.existingSecret gives the password already: leave out config.upstream.password and config.upstream.password-file" -}}
{{- end -}}
{{- end -}}

{{- define "aofsidecar.validateStandalone" -}}
{{- $addr := include "aofsidecar.setting" (list . "upstream.addr" "") -}}
{{- if not $addr -}}
{{- fail "config.upstream.addr is missing: write the host:port of the server to mirror" -}}
{{- end -}}
{{- if regexMatch `^(localhost|127\.[0-9.]+|\[::1\]):` $addr -}}
{{- fail "config.upstream.addr is this pod, which has no server in mode standalone: write the server's Service, or use mode with-redis" -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (not (regexMatch `^(/|unix://)|:[0-9]+$` $addr)) -}}
{{- fail "config.upstream.addr has no port that the NetworkPolicy could let through: write its number" -}}
{{- end -}}
{{- if or .Values.restore.required .Values.restore.args -}}
{{- fail "restore.required and restore.args are for mode with-redis: a mirror takes a snapshot from its upstream, there is no server to restore" -}}
{{- end -}}
{{- if .Values.encryption.existingSecret -}}
{{- fail "encryption.existingSecret is for the restore of mode with-redis: shipping needs config.archive.encryption.recipients only" -}}
{{- end -}}
{{- if and .Values.tls.existingSecret (without (dig "upstream" "tls" dict .Values.config | keys) "server-name" "enabled") -}}
{{- fail "tls.existingSecret gives the certificates already: of config.upstream.tls leave only server-name" -}}
{{- end -}}
{{- if and .Values.tls.existingSecret (ne (empty .Values.tls.certKey) (empty .Values.tls.keyKey)) -}}
{{- fail "tls.certKey and tls.keyKey belong together: give both, or none" -}}
{{- end -}}
{{- end -}}

{{- define "aofsidecar.validateArchive" -}}
{{- $url := include "aofsidecar.setting" (list . "archive.url" "") -}}
{{- if and $url (gt (int .Values.replicas) 1) (not (regexMatch `(^|[^$])\$\{POD_(NAME|INDEX)\}` $url)) -}}
{{- fail (printf "replicas is %d and config.archive.url is one prefix: write ${POD_NAME} into it, each pod needs an archive of its own" (int .Values.replicas)) -}}
{{- end -}}
{{- if and .Values.s3.existingSecret (not (hasPrefix "s3://" $url)) -}}
{{- fail "s3.existingSecret has no effect unless config.archive.url is s3://bucket/prefix" -}}
{{- end -}}
{{- $encrypted := dig "archive" "encryption" "recipients" list .Values.config -}}
{{- $identity := include "aofsidecar.setting" (list . "archive.encryption.identity-file" "") -}}
{{- if and .Values.encryption.existingSecret $identity -}}
{{- fail "encryption.existingSecret gives the identity to the restore already: leave out config.archive.encryption.identity-file" -}}
{{- end -}}
{{- if and $encrypted (eq .Values.mode "with-redis") .Values.restore.enabled (not .Values.encryption.existingSecret) (not $identity) -}}
{{- fail "the archive is encrypted and the restore could not read it: put the age identity into a Secret and name that in encryption.existingSecret" -}}
{{- end -}}
{{- $verifies := ne (include "aofsidecar.seconds" (include "aofsidecar.setting" (list . "archive.verify.interval" "0s"))) "0" -}}
{{- $level := include "aofsidecar.setting" (list . "archive.verify.level" "deep") -}}
{{- if and $verifies (eq $level "boot") -}}
{{- fail "config.archive.verify.level is boot and the image has no server: use deep here, and the restore drill of docs/kubernetes.md" -}}
{{- end -}}
{{- if and $verifies (eq $level "deep") $encrypted (not $identity) -}}
{{- fail "config.archive.verify.level is deep and the sidecar cannot read what is encrypted: use names, or mount an identity and name it in config.archive.encryption.identity-file" -}}
{{- end -}}
{{- end -}}

{{- define "aofsidecar.validatePod" -}}
{{- $http := include "aofsidecar.setting" (list . "http.addr" ":9379") -}}
{{- if not (regexMatch `^(0\.0\.0\.0|\[::\])?:[1-9][0-9]*$` $http) -}}
{{- fail "config.http.addr must be :PORT, which the kubelet's probes and Prometheus reach" -}}
{{- end -}}
{{- if and (eq .Values.mode "with-redis") (eq (include "aofsidecar.port" .) "6379") -}}
{{- fail "config.http.addr takes the server's port: leave it out, or use another one than :6379" -}}
{{- end -}}
{{- if and (hasKey .Values.config "http") (hasKey .Values.config.http "addr") (not .Values.config.http.addr) -}}
{{- fail "config.http.addr is empty and the probes would find nobody: leave it out, or write :PORT" -}}
{{- end -}}
{{- $socket := include "aofsidecar.setting" (list . "control.socket" "/run/aofsidecar/control.sock") -}}
{{- if not (hasPrefix "/run/aofsidecar/" $socket) -}}
{{- fail "config.control.socket must be in /run/aofsidecar, the only folder for it that can be written to" -}}
{{- end -}}
{{- $needed := include "aofsidecar.stopSeconds" . | int -}}
{{- $grace := int .Values.terminationGracePeriodSeconds -}}
{{- if and $grace (lt $grace $needed) -}}
{{- fail (printf "terminationGracePeriodSeconds is %d and stopping may take %d s: raise it, leave it out, or lower config.shutdown-timeout" $grace $needed) -}}
{{- end -}}
{{- if and .Values.serviceAccount.annotations (not .Values.serviceAccount.create) -}}
{{- fail "serviceAccount.annotations have no effect on an account that the chart does not make: set serviceAccount.create, or annotate it yourself" -}}
{{- end -}}
{{- $budget := .Values.podDisruptionBudget -}}
{{- if and $budget.enabled (regexMatch `^[0-9]+$` (toString $budget.minAvailable)) (ge (int $budget.minAvailable) (int .Values.replicas)) -}}
{{- fail "podDisruptionBudget.minAvailable leaves no pod that may go, and no node could be drained: use maxUnavailable" -}}
{{- end -}}
{{- end -}}

{{- define "aofsidecar.validateVolumes" -}}
{{- $dir := include "aofsidecar.setting" (list . "aof.dir" "/data/aofsidecar") -}}
{{- if not (regexMatch `^/data(/[^/.][^/]*)*$` $dir) -}}
{{- fail "config.aof.dir must be in /data, where the sidecar's volume is: leave it out" -}}
{{- end -}}
{{- $archived := include "aofsidecar.setting" (list . "archive.url" "") -}}
{{- if and (not .Values.persistence.enabled) (not $archived) -}}
{{- fail "without persistence.enabled and config.archive.url nothing would be kept: set one of them" -}}
{{- end -}}
{{- if and (eq .Values.mode "with-redis") .Values.restore.enabled -}}
{{- include "aofsidecar.validateFolder" . -}}
{{- end -}}
{{- $several := gt (int .Values.replicas) 1 -}}
{{- if and .Values.persistence.existingClaim $several -}}
{{- fail "persistence.existingClaim is one volume and replicas more than one pod: leave it out, each pod then gets a claim of its own" -}}
{{- end -}}
{{- if eq .Values.mode "with-redis" -}}
{{- if and .Values.server.persistence.existingClaim $several -}}
{{- fail "server.persistence.existingClaim is one volume and replicas more than one pod: leave it out, each pod then gets a claim of its own" -}}
{{- end -}}
{{- if and .Values.persistence.existingClaim (eq .Values.persistence.existingClaim .Values.server.persistence.existingClaim) -}}
{{- fail "server and sidecar must not share a volume: persistence.existingClaim and server.persistence.existingClaim have to be two claims" -}}
{{- end -}}
{{- if and (not .Values.server.persistence.enabled) (or (not $archived) (not .Values.restore.enabled)) -}}
{{- fail "without server.persistence.enabled each new pod begins empty unless it is restored: set config.archive.url and restore.enabled" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The restore has to see what the sidecar ships to, in a volume that both have, and /data as the server left it: an archive that it does not find is a server that starts empty. */}}
{{- define "aofsidecar.validateFolder" -}}
{{- $url := include "aofsidecar.setting" (list . "archive.url" "") -}}
{{- $mounted := false -}}
{{- range .Values.extraVolumeMounts -}}
{{- $path := trimSuffix "/" .mountPath -}}
{{- if or (eq $path "/data") (hasPrefix "/data/" $path) -}}
{{- fail (printf "extraVolumeMounts has %s, and the server's volume would never be empty for the restore: mount it outside of /data" .mountPath) -}}
{{- end -}}
{{- if hasPrefix (printf "%s/" $path) (printf "%s/" (trimPrefix "file://" $url)) -}}
{{- $mounted = true -}}
{{- end -}}
{{- end -}}
{{- if and (hasPrefix "file://" $url) (not $mounted) -}}
{{- fail (printf "config.archive.url is %s, which is on no volume that the pod's containers share, and the restore would find no backup there: mount one by extraVolumes and extraVolumeMounts" $url) -}}
{{- end -}}
{{- end -}}

{{- define "aofsidecar.validateOverrides" -}}
{{- range .Values.extraEnv -}}
{{- if hasPrefix "AOFSIDECAR_" .name -}}
{{- fail (printf "extraEnv has %s: write the setting under config; a value from a Secret is ${NAME} there, with NAME in extraEnv" .name) -}}
{{- end -}}
{{- if has .name (list "POD_NAME" "POD_NAMESPACE" "POD_INDEX") -}}
{{- fail (printf "extraEnv has %s, which the chart sets: use another name" .name) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraArgs -}}
{{- if not (regexMatch `^--?log-level=` .) -}}
{{- fail (printf "extraArgs has %s: write settings under config, where the chart can see them" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "aofsidecar.validateServer" -}}
{{- if hasKey (get .Values.config "upstream" | default dict) "addr" -}}
{{- fail "config.upstream.addr is the server in the pod in mode with-redis: leave it out, or use mode standalone" -}}
{{- end -}}
{{- if or .Values.tls.existingSecret (dig "upstream" "tls" "enabled" false .Values.config) -}}
{{- fail "TLS between sidecar and server is for mode standalone: with-redis talks on loopback; give the clients TLS by tls-port in server.extraConfig" -}}
{{- end -}}
{{- $url := include "aofsidecar.setting" (list . "archive.url" "") -}}
{{- if and .Values.restore.enabled (not $url) -}}
{{- fail "there is no archive to restore from: set config.archive.url, or restore.enabled to false" -}}
{{- end -}}
{{- if and (or .Values.restore.required .Values.restore.args) (not .Values.restore.enabled) -}}
{{- fail "restore.required and restore.args have no effect without restore.enabled" -}}
{{- end -}}
{{- if and (not .Values.nativeSidecar.enabled) (lt (include "aofsidecar.seconds" (include "aofsidecar.linger" .) | int) (int .Values.server.shutdownTimeout)) -}}
{{- fail (printf "config.shutdown-linger is shorter than server.shutdownTimeout (%d s) and the last writes could be missed: leave it out" (int .Values.server.shutdownTimeout)) -}}
{{- end -}}
{{- $owned := `(?im)^\s*["']?(dir|port|appendonly|appenddirname|appendfilename|shutdown-timeout)["']?\s` -}}
{{- $secret := `(?im)^\s*["']?(requirepass|masterauth|primaryauth|masteruser|primaryuser)["']?\s` -}}
{{- with regexFind $owned .Values.server.extraConfig -}}
{{- fail (printf "server.extraConfig has %s, which the chart sets: leave it out" (trim .)) -}}
{{- end -}}
{{- with regexFind $secret .Values.server.extraConfig -}}
{{- fail (printf "server.extraConfig has %s, which would be readable in a ConfigMap: use auth.existingSecret" (trim .)) -}}
{{- end -}}
{{- if regexMatch `(?im)^\s*["']?user["']?\s.*[\s"'](>|\\x3e)` .Values.server.extraConfig -}}
{{- fail "server.extraConfig has a user with a password, which would be readable in a ConfigMap: write its SHA-256 (#...), or mount an aclfile from a Secret" -}}
{{- end -}}
{{- range .Values.server.extraArgs -}}
{{- with regexFind `(?i)^--(dir|port|appendonly|appenddirname|appendfilename|shutdown-timeout|requirepass|masterauth|primaryauth)\b` (trim .) -}}
{{- fail (printf "server.extraArgs has %s, which the chart sets: leave it out" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

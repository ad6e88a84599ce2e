{{/* A setting of the sidecar: (list $root "upstream.addr" "default"). */}}
{{- define "aofsidecar.setting" -}}
{{- $value := (index . 0).Values.config -}}
{{- range splitList "." (index . 1) -}}
{{- if kindIs "map" $value -}}{{- $value = get $value . -}}{{- end -}}
{{- end -}}
{{- if or (kindIs "invalid" $value) (eq (toString $value) "") -}}{{ index . 2 }}{{- else -}}{{ $value }}{{- end -}}
{{- end -}}

{{/* The port that the sidecar listens on: http.addr is :PORT, which aofsidecar.validate sees to. */}}
{{- define "aofsidecar.port" -}}
{{- regexFind "[0-9]+$" (include "aofsidecar.setting" (list . "http.addr" ":9379")) -}}
{{- end -}}

{{/* Whole seconds of a duration like 1m30s, rounded up. */}}
{{- define "aofsidecar.seconds" -}}
{{- $zero := toDate "2006-01-02" "2000-01-01" -}}
{{- sub (mustDateModify (printf "+%s" .) $zero | mustDateModify "+999ms" | unixEpoch) (unixEpoch $zero) -}}
{{- end -}}

{{/* shutdown-linger: a plain container beside the server is told to stop when the server is, and has to hear it out. */}}
{{- define "aofsidecar.linger" -}}
{{- $default := "0s" -}}
{{- if and (eq .Values.mode "with-redis") (not .Values.nativeSidecar.enabled) -}}
{{- $default = printf "%ds" (add (int .Values.server.shutdownTimeout) 10) -}}
{{- end -}}
{{- include "aofsidecar.setting" (list . "shutdown-linger" $default) -}}
{{- end -}}

{{/*
Seconds that the pod may need to stop. The sidecar takes shutdown-linger, shutdown-timeout and 5 s in which the archive lets go; the server its shutdown-timeout, and a
last fsync. A native sidecar stops behind the server, a plain container beside it.
*/}}
{{- define "aofsidecar.stopSeconds" -}}
{{- $timeout := include "aofsidecar.setting" (list . "shutdown-timeout" "30s") -}}
{{- $sidecar := add (include "aofsidecar.seconds" (include "aofsidecar.linger" .)) (include "aofsidecar.seconds" $timeout) 10 -}}
{{- $server := ternary (add (int .Values.server.shutdownTimeout) 10) 0 (eq .Values.mode "with-redis") -}}
{{- if .Values.nativeSidecar.enabled -}}{{ add $sidecar $server }}{{- else -}}{{ max $sidecar $server }}{{- end -}}
{{- end -}}

{{- define "aofsidecar.graceSeconds" -}}
{{- .Values.terminationGracePeriodSeconds | default (include "aofsidecar.stopSeconds" .) -}}
{{- end -}}

{{/* Helm reads each number as a float, and writes 1073741824 as 1.073741824e+09. This changes the map that it is given. */}}
{{- define "aofsidecar.wholeNumbers" -}}
{{- $map := . -}}
{{- range $key, $value := $map -}}
{{- if kindIs "map" $value -}}
{{- include "aofsidecar.wholeNumbers" $value -}}
{{- else if and (kindIs "float64" $value) (eq (toString $value) (toString (floor $value))) -}}
{{- $_ := set $map $key (int64 $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The sidecar's config.yaml: what the values say, and what the chart itself has to set. */}}
{{- define "aofsidecar.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- include "aofsidecar.wholeNumbers" $config -}}
{{- $upstream := get $config "upstream" | default dict -}}
{{- if eq .Values.mode "with-redis" -}}
{{- $_ := set $upstream "addr" "127.0.0.1:6379" -}}
{{- end -}}
{{- if .Values.auth.existingSecret -}}
{{- $_ := set $upstream "password-file" (printf "/run/secrets/aofsidecar/auth/%s" .Values.auth.passwordKey) -}}
{{- end -}}
{{- if .Values.tls.existingSecret -}}
{{- $tls := get $upstream "tls" | default dict -}}
{{- $_ := set $tls "enabled" true -}}
{{- range $setting, $key := dict "ca-file" .Values.tls.caKey "cert-file" .Values.tls.certKey "key-file" .Values.tls.keyKey -}}
{{- if $key -}}
{{- $_ := set $tls $setting (printf "/run/secrets/aofsidecar/tls/%s" $key) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $upstream "tls" $tls -}}
{{- end -}}
{{- $_ := set $config "upstream" $upstream -}}
{{- $aof := get $config "aof" | default dict -}}
{{- if eq (toString (get $aof "appendfsync")) "false" -}}{{/* YAML's other word for no */}}
{{- $_ := set $aof "appendfsync" "no" -}}
{{- end -}}
{{- $linger := include "aofsidecar.linger" . -}}
{{- if ne $linger "0s" -}}
{{- $_ := set $config "shutdown-linger" $linger -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

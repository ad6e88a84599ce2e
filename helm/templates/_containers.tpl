{{/* The environment of everything that reads config.yaml. */}}
{{- define "aofsidecar.env" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: POD_INDEX
  valueFrom: {fieldRef: {fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']"}}
{{- with include "aofsidecar.credentials" . }}
{{ trim . }}
{{- end }}
{{- end -}}

{{- define "aofsidecar.credentials" -}}
{{- $s3 := .Values.s3 -}}
{{- if $s3.existingSecret -}}
{{- range $variable, $key := dict "AWS_ACCESS_KEY_ID" $s3.accessKeyIdKey "AWS_SECRET_ACCESS_KEY" $s3.secretAccessKeyKey "AWS_SESSION_TOKEN" $s3.sessionTokenKey }}
{{- if $key }}
- name: {{ $variable }}
  valueFrom: {secretKeyRef: {name: {{ $s3.existingSecret | quote }}, key: {{ $key | quote }}}}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "aofsidecar.mounts" -}}
- name: config
  mountPath: /etc/aofsidecar
  readOnly: true
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "aofsidecar.secretMounts" -}}
{{- if .Values.auth.existingSecret }}
- name: auth
  mountPath: /run/secrets/aofsidecar/auth
  readOnly: true
{{- end }}
{{- if .Values.tls.existingSecret }}
- name: tls
  mountPath: /run/secrets/aofsidecar/tls
  readOnly: true
{{- end }}
{{- end -}}

{{- define "aofsidecar.volumes" -}}
- name: config
  configMap: {name: {{ include "aofsidecar.fullname" . }}}
- name: run
  emptyDir: {}
- name: tmp
  emptyDir: {}
{{- if .Values.auth.existingSecret }}
- name: auth
  secret:
    secretName: {{ .Values.auth.existingSecret | quote }}
    defaultMode: 0440
    items: [{key: {{ .Values.auth.passwordKey | quote }}, path: {{ .Values.auth.passwordKey | quote }}}]
{{- end }}
{{- if .Values.tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ .Values.tls.existingSecret | quote }}
    defaultMode: 0440
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The sidecar itself, the same in each mode. */}}
{{- define "aofsidecar.sidecar" -}}
name: aofsidecar
image: {{ include "aofsidecar.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - run
  {{- with .Values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
env:
  {{- include "aofsidecar.env" . | nindent 2 }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: metrics
    containerPort: {{ include "aofsidecar.port" . }}
{{- with .Values.startupProbe }}
startupProbe:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.livenessProbe }}
livenessProbe:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if eq .Values.mode "standalone" }}
{{- with .Values.readinessProbe }}
readinessProbe:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  {{- include "aofsidecar.mounts" . | nindent 2 }}
  {{- with include "aofsidecar.secretMounts" . }}
  {{- trim . | nindent 2 }}
  {{- end }}
  - name: aofsidecar
    mountPath: /data
  - name: run
    mountPath: /run/aofsidecar
  - name: tmp
    mountPath: /tmp
{{- end -}}

{{/*
Brings an empty volume of the server back, as the server's user. With data there it changes nothing and ends with 0, whatever the archive does; where it fails the
server must not start, since an empty one would be mirrored as it is.
*/}}
{{- define "aofsidecar.restore" -}}
name: restore
image: {{ include "aofsidecar.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - restore
  - --output=/data
  - --if-target-empty
  {{- if not .Values.restore.required }}
  - --if-backup-exists
  {{- end }}
  {{- if .Values.encryption.existingSecret }}
  - {{ printf "--set=archive.encryption.identity-file=/run/secrets/aofsidecar/encryption/%s" .Values.encryption.identityKey | quote }}
  {{- end }}
  {{- with .Values.restore.args }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
env:
  {{- include "aofsidecar.env" . | nindent 2 }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  {{- toYaml (default .Values.resources .Values.restore.resources) | nindent 2 }}
securityContext:
  {{- toYaml .Values.server.securityContext | nindent 2 }}
volumeMounts:
  {{- include "aofsidecar.mounts" . | nindent 2 }}
  {{- if .Values.encryption.existingSecret }}
  - name: encryption
    mountPath: /run/secrets/aofsidecar/encryption
    readOnly: true
  {{- end }}
  - name: server
    mountPath: /data
{{- end -}}

{{/* The server, with what the restored directory needs behind its own configuration, so that it wins. */}}
{{- define "aofsidecar.server" -}}
name: server
image: {{ include "aofsidecar.serverImage" . | quote }}
imagePullPolicy: {{ .Values.server.image.pullPolicy }}
args:
  - /etc/aofsidecar-server/server.conf
  - --dir
  - /data
  - --port
  - "6379"
  - --appendonly
  - "yes"
  - --appenddirname
  - {{ include "aofsidecar.setting" (list . "aof.appenddirname" "appendonlydir") | quote }}
  - --appendfilename
  - {{ include "aofsidecar.setting" (list . "aof.appendfilename" "appendonly.aof") | quote }}
  - --shutdown-timeout
  - {{ .Values.server.shutdownTimeout | quote }}
  {{- if .Values.auth.existingSecret }}
  - --requirepass
  - $(REDISCLI_AUTH)
  - --masterauth
  - $(REDISCLI_AUTH)
  {{- end }}
  {{- with .Values.server.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
env:
  - name: POD_NAME
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
  - name: POD_NAMESPACE
    valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
  - name: POD_INDEX
    valueFrom: {fieldRef: {fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']"}}
  {{- if .Values.auth.existingSecret }}
  - name: REDISCLI_AUTH
    valueFrom: {secretKeyRef: {name: {{ .Values.auth.existingSecret | quote }}, key: {{ .Values.auth.passwordKey | quote }}}}
  {{- end }}
  {{- with .Values.server.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - name: server
    containerPort: 6379
{{- with .Values.server.livenessProbe }}
livenessProbe:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.server.readinessProbe }}
readinessProbe:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  {{- toYaml .Values.server.resources | nindent 2 }}
securityContext:
  {{- toYaml .Values.server.securityContext | nindent 2 }}
volumeMounts:
  - name: server-config
    mountPath: /etc/aofsidecar-server
    readOnly: true
  - name: server
    mountPath: /data
  {{- with .Values.server.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* A volume or its claim: (list name persistence). */}}
{{- define "aofsidecar.dataVolume" -}}
{{- $name := index . 0 -}}{{- $p := index . 1 -}}
{{- if not $p.enabled }}
- name: {{ $name }}
  emptyDir: {}
{{- else if $p.existingClaim }}
- name: {{ $name }}
  persistentVolumeClaim: {claimName: {{ $p.existingClaim | quote }}}
{{- end }}
{{- end -}}

{{- define "aofsidecar.claimTemplate" -}}
{{- $name := index . 0 -}}{{- $p := index . 1 -}}
{{- if and $p.enabled (not $p.existingClaim) }}
- apiVersion: v1
  kind: PersistentVolumeClaim
  metadata:
    name: {{ $name }}
    {{- with $p.annotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    accessModes:
      {{- toYaml $p.accessModes | nindent 6 }}
    {{- with $p.storageClass }}
    storageClassName: {{ . | quote }}
    {{- end }}
    resources:
      requests:
        storage: {{ $p.size | quote }}
{{- end }}
{{- end -}}

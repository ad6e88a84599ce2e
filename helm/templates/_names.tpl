{{- define "aofsidecar.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 52 characters: a pod's name, and the label with the hash of its controller, have ten more and 63 at most. */}}
{{- define "aofsidecar.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "aofsidecar.headless" -}}
{{- include "aofsidecar.fullname" . }}-headless
{{- end -}}

{{/* The name of the first pod, as the StatefulSet gives it. */}}
{{- define "aofsidecar.firstPod" -}}
{{- include "aofsidecar.fullname" . }}-0
{{- end -}}

{{- define "aofsidecar.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "aofsidecar.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What never changes of a release, of all its resources. */}}
{{- define "aofsidecar.releaseLabels" -}}
app.kubernetes.io/name: {{ include "aofsidecar.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The pods of the StatefulSet, and not the one of the test. */}}
{{- define "aofsidecar.selectorLabels" -}}
{{ include "aofsidecar.releaseLabels" . }}
app.kubernetes.io/component: {{ .Values.mode }}
{{- end -}}

{{- define "aofsidecar.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "aofsidecar.releaseLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "aofsidecar.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "aofsidecar.serverImage" -}}
{{- if .Values.server.image.digest -}}
{{- printf "%s@%s" .Values.server.image.repository .Values.server.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.server.image.repository .Values.server.image.tag -}}
{{- end -}}
{{- end -}}

{{- /* What the server is told, and how long it may take to start and to stop. */ -}}

{{- define "underway.args" -}}
- serve
- --host
- 0.0.0.0
- --http-port
- {{ .Values.ports.http | quote }}
- --grpc-port
- {{ .Values.ports.grpc | quote }}
- --metrics-port
- {{ .Values.ports.metrics | quote }}
- --model-repository
{{- if eq .Values.modelRepository.source "objectStore" }}
- {{ .Values.modelRepository.objectStore.url }}
- --model-cache
- {{ .Values.modelRepository.mountPath }}/cache
- --model-cache-bytes
- {{ include "underway.cacheBytes" . | quote }}
{{- else }}
- {{ .Values.modelRepository.mountPath }}
{{- end }}
{{- with include "underway.tlsArgs" . }}
{{ . }}
{{- end }}
{{- if .Values.auth.secretName }}
- --access-file
- {{ include "underway.accessFolder" . }}/access.yaml
{{- end }}
{{- $switches := list "allowLabelsOfUnavailableVersions" "enableBatching" }}
{{- range $name, $given := .Values.server }}
{{- range $value := (kindIs "slice" $given | ternary $given (list $given)) }}
{{- if has $name $switches }}
{{- if $value }}
- --{{ kebabcase $name }}
{{- end }}
{{- else if not (kindIs "invalid" $value) }}
- --{{ kebabcase $name }}
- {{ include "underway.text" $value | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Its Secret's folder: a single file would not change when the Secret does. */ -}}
{{- define "underway.accessFolder" -}}/etc/underway/access{{- end -}}

{{- /* A twentieth of the volume is left to its file system. */ -}}
{{- define "underway.cacheBytes" -}}
{{- div (mul .Values.modelRepository.objectStore.cacheGiB 1073741824 19) 20 -}}
{{- end -}}

{{- /* A number as people write it: Helm has 1073741824 as 1.073741824e+09. */ -}}
{{- define "underway.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{- /* Seconds from when the pod is told to go until its server has surely ended: sleep, drain delay, requests in
flight, 15 for its frontends and workers to end, 5 to spare. */ -}}
{{- define "underway.stopSeconds" -}}
{{- $delay := .Values.server.drainDelay | default 0 | ceil | int -}}
{{- $drain := .Values.server.drainTimeout | default 30 | ceil | int -}}
{{- add (int .Values.termination.preStopSleepSeconds) $delay $drain 15 5 -}}
{{- end -}}

{{- define "underway.gracePeriod" -}}
{{- $needed := include "underway.stopSeconds" . | int -}}
{{- $given := .Values.termination.gracePeriodSeconds -}}
{{- if kindIs "invalid" $given -}}
{{- $needed -}}
{{- else if lt (int $given) $needed -}}
{{- fail (printf "termination.gracePeriodSeconds is %d, but sleeping, draining and stopping take up to %d s: leave it out, or lower server.drainDelay or server.drainTimeout" (int $given) $needed) -}}
{{- else -}}
{{- int $given -}}
{{- end -}}
{{- end -}}

{{- define "underway.startupFailures" -}}
{{- divf .Values.probes.startup.budgetSeconds .Values.probes.startup.periodSeconds | ceil | int -}}
{{- end -}}

{{- define "underway.progressDeadline" -}}
{{- $least := add (int .Values.probes.startup.budgetSeconds) (int .Values.controller.minReadySeconds) -}}
{{- $given := .Values.controller.progressDeadlineSeconds -}}
{{- if kindIs "invalid" $given -}}
{{- add $least 120 -}}
{{- else if le (int $given) $least -}}
{{- fail (printf "controller.progressDeadlineSeconds is %d, but a pod may take %d s to start: expected more" (int $given) $least) -}}
{{- else -}}
{{- int $given -}}
{{- end -}}
{{- end -}}

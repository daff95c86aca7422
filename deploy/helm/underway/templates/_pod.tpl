{{- /* The pod, for either kind of controller. */ -}}

{{- define "underway.pod" -}}
metadata:
  labels:
    {{- include "underway.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "underway.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  hostNetwork: false
  hostPID: false
  hostIPC: false
  shareProcessNamespace: false
  terminationGracePeriodSeconds: {{ include "underway.gracePeriod" . }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.gpu.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with include "underway.initContainers" . }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    {{- include "underway.container" . | nindent 4 }}
    {{- with .Values.sidecars }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "underway.volumes" . | nindent 4 }}
  {{- with include "underway.placement" . }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "underway.container" -}}
- name: underway
  image: {{ include "underway.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  {{- with .Values.image.command }}
  command:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  args:
    {{- include "underway.args" . | nindent 4 }}
  ports:
    - {name: http, containerPort: {{ .Values.ports.http }}, protocol: TCP}
    - {name: grpc, containerPort: {{ .Values.ports.grpc }}, protocol: TCP}
    - {name: metrics, containerPort: {{ .Values.ports.metrics }}, protocol: TCP}
  {{- with .Values.extraEnv }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  resources:
    {{- include "underway.resources" . | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  {{- with .Values.termination.preStopSleepSeconds }}
  lifecycle:
    preStop:
      sleep:
        seconds: {{ . }}
  {{- end }}
  startupProbe:
    httpGet: {path: /v2/health/ready, port: metrics, scheme: {{ include "underway.scheme" . | upper }}}
    periodSeconds: {{ .Values.probes.startup.periodSeconds }}
    failureThreshold: {{ include "underway.startupFailures" . }}
    timeoutSeconds: {{ .Values.probes.readiness.timeoutSeconds }}
  readinessProbe:
    httpGet: {path: /v2/health/ready, port: metrics, scheme: {{ include "underway.scheme" . | upper }}}
    periodSeconds: {{ .Values.probes.readiness.periodSeconds }}
    failureThreshold: {{ .Values.probes.readiness.failureThreshold }}
    timeoutSeconds: {{ .Values.probes.readiness.timeoutSeconds }}
  livenessProbe:
    httpGet: {path: /v2/health/live, port: metrics, scheme: {{ include "underway.scheme" . | upper }}}
    periodSeconds: {{ .Values.probes.liveness.periodSeconds }}
    failureThreshold: {{ .Values.probes.liveness.failureThreshold }}
    timeoutSeconds: {{ .Values.probes.liveness.timeoutSeconds }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    {{- if ne .Values.modelRepository.source "image" }}
    - name: models
      mountPath: {{ .Values.modelRepository.mountPath }}
      {{- if ne .Values.modelRepository.source "objectStore" }}
      readOnly: true
      {{- end }}
      {{- with .Values.modelRepository.subPath }}
      subPath: {{ . }}
      {{- end }}
    {{- end }}
    {{- with include "underway.tlsMounts" . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- if .Values.auth.secretName }}
    - {name: access, mountPath: {{ include "underway.accessFolder" . }}, readOnly: true}
    {{- end }}
    {{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- /* A GPU is asked for and limited alike; Kubernetes knows no other way. */ -}}
{{- define "underway.resources" -}}
{{- $resources := deepCopy .Values.resources -}}
{{- if gt (int .Values.gpu.count) 0 -}}
{{- range $part := list "requests" "limits" -}}
{{- $_ := set $resources $part (merge (dict $.Values.gpu.resourceName (int $.Values.gpu.count)) (default dict (get $resources $part))) -}}
{{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{- define "underway.initContainers" -}}
{{- if or .Values.initContainers (eq .Values.modelRepository.source "init") -}}
initContainers:
  {{- with .Values.initContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- if eq .Values.modelRepository.source "init" }}
  {{- with .Values.modelRepository.init }}
  - name: models
    image: {{ .image }}
    imagePullPolicy: {{ $.Values.image.pullPolicy }}
    {{- range $part := list "command" "args" "env" "envFrom" "resources" }}
    {{- with get $.Values.modelRepository.init $part }}
    {{ $part }}:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- end }}
    securityContext:
      {{- toYaml $.Values.securityContext | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: models, mountPath: {{ $.Values.modelRepository.mountPath }}}
  {{- end }}
  {{- end }}
{{- end -}}
{{- end -}}

{{- define "underway.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.tmpSize }}
{{- if eq .Values.modelRepository.source "persistentVolumeClaim" }}
- name: models
  persistentVolumeClaim:
    claimName: {{ .Values.modelRepository.claimName }}
    readOnly: true
{{- else if eq .Values.modelRepository.source "volume" }}
- name: models
  {{- toYaml .Values.modelRepository.volume | nindent 2 }}
{{- else if and (has .Values.modelRepository.source (list "init" "objectStore")) (eq .Values.controller.kind "Deployment") }}
- name: models
  emptyDir:
    sizeLimit: {{ include "underway.copySize" . }}
{{- end }}
{{- with include "underway.tlsVolumes" . }}
{{ . }}
{{- end }}
{{- with .Values.auth.secretName }}
- name: access
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      - {key: {{ $.Values.auth.key }}, path: access.yaml}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Of the volume that an init container or the server fills. */ -}}
{{- define "underway.copySize" -}}
{{- with .Values.modelRepository -}}
{{- ternary (printf "%dGi" (int .objectStore.cacheGiB)) (toString .init.size) (eq .source "objectStore") -}}
{{- end -}}
{{- end -}}

{{- define "underway.placement" -}}
{{- $tolerations := .Values.tolerations -}}
{{- if gt (int .Values.gpu.count) 0 -}}
{{- $tolerations = append $tolerations (dict "key" .Values.gpu.taintKey "operator" "Exists" "effect" "NoSchedule") -}}
{{- end -}}
{{- with $tolerations -}}
tolerations:
  {{- toYaml . | nindent 2 }}
{{ end -}}
{{- with .Values.nodeSelector -}}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{ end -}}
{{- with .Values.affinity -}}
affinity:
  {{- toYaml . | nindent 2 }}
{{ end -}}
{{- if or .Values.topologySpread.zones .Values.topologySpread.hosts -}}
topologySpreadConstraints:
  {{- if .Values.topologySpread.zones }}
  - topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    {{- include "underway.spread" . | nindent 4 }}
  {{- end }}
  {{- if .Values.topologySpread.hosts }}
  - topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: DoNotSchedule
    {{- include "underway.spread" . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{- define "underway.spread" -}}
maxSkew: 1
labelSelector:
  matchLabels:
    {{- include "underway.selector" . | nindent 4 }}
{{- if eq .Values.controller.kind "Deployment" }}
matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end -}}

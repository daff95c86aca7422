{{- /* What both ways of scaling share: out quickly, in slowly, because a new pod has models to load. */ -}}

{{- define "underway.scalingBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  selectPolicy: Max
  policies:
    - {type: Percent, value: 100, periodSeconds: 60}
    - {type: Pods, value: 2, periodSeconds: 60}
scaleDown:
  stabilizationWindowSeconds: {{ .Values.autoscaling.scaleDownStabilizationSeconds }}
  selectPolicy: Min
  policies:
    - {type: Percent, value: 25, periodSeconds: 60}
    - {type: Pods, value: 1, periodSeconds: 60}
{{- end -}}

{{- define "underway.scaleTarget" -}}
apiVersion: apps/v1
kind: {{ .Values.controller.kind }}
name: {{ include "underway.fullname" . }}
{{- end -}}

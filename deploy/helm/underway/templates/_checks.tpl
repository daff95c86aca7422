{{- /* What the schema cannot say: values that contradict each other. */ -}}

{{- define "underway.check" -}}
{{- $v := .Values -}}
{{- $ports := list $v.ports.http $v.ports.grpc $v.ports.metrics -}}
{{- if ne (len ($ports | uniq)) 3 -}}
{{- fail "ports.http, ports.grpc and ports.metrics must differ" -}}
{{- end -}}
{{- if and (eq $v.modelRepository.source "init") (not $v.modelRepository.init.image) -}}
{{- fail "modelRepository.init.image: expected the image that copies the models, as modelRepository.source is init" -}}
{{- end -}}
{{- if and (eq $v.modelRepository.source "volume") (not $v.modelRepository.volume) -}}
{{- fail "modelRepository.volume: expected a volume source, as modelRepository.source is volume" -}}
{{- end -}}
{{- if eq $v.modelRepository.source "objectStore" -}}
{{- if not $v.modelRepository.objectStore.url -}}
{{- fail "modelRepository.objectStore.url: expected where the models are, as s3://BUCKET/PREFIX, as modelRepository.source is objectStore" -}}
{{- end -}}
{{- if or (hasKey $v.server "modelCache") (hasKey $v.server "modelCacheBytes") -}}
{{- fail "server.modelCache and server.modelCacheBytes: leave them out, modelRepository.objectStore.cacheGiB says both" -}}
{{- end -}}
{{- end -}}
{{- if and (or $v.auth.testToken $v.auth.metricsToken) (not $v.auth.secretName) -}}
{{- fail "auth.secretName: expected the Secret with the access file, as auth.testToken or auth.metricsToken is given" -}}
{{- end -}}
{{- if and (eq $v.controller.kind "StatefulSet") (not (has $v.modelRepository.source (list "init" "objectStore"))) -}}
{{- fail "controller.kind StatefulSet is for copies that pods keep: set modelRepository.source to objectStore or init" -}}
{{- end -}}
{{- if and (eq $v.controller.kind "StatefulSet") (not $v.service.headless.enabled) -}}
{{- fail "service.headless.enabled: a StatefulSet needs it" -}}
{{- end -}}
{{- if and $v.metrics.serviceMonitor.enabled (not $v.service.headless.enabled) -}}
{{- fail "service.headless.enabled: metrics.serviceMonitor needs it; or take metrics.podMonitor" -}}
{{- end -}}
{{- if and $v.metrics.serviceMonitor.enabled $v.metrics.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor and metrics.podMonitor would scrape every pod twice: enable one" -}}
{{- end -}}
{{- if and (ne $v.autoscaling.kind "none") (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas" -}}
{{- end -}}
{{- if and (eq $v.autoscaling.kind "keda") (not $v.autoscaling.keda.prometheusAddress) -}}
{{- fail "autoscaling.keda.prometheusAddress: expected the address of Prometheus" -}}
{{- end -}}
{{- if and $v.ingress.enabled (not (concat $v.ingress.hosts $v.ingress.grpc.hosts)) -}}
{{- fail "ingress.hosts: expected at least one host name, there or in ingress.grpc.hosts" -}}
{{- end -}}
{{- if and $v.gatewayApi.enabled (not $v.gatewayApi.parentRefs) -}}
{{- fail "gatewayApi.parentRefs: expected the Gateway to attach to" -}}
{{- end -}}
{{- if $v.certificate.enabled -}}
{{- if not (and $v.ingress.enabled $v.ingress.tlsSecretName $v.certificate.issuerRef.name) -}}
{{- fail "certificate.enabled needs ingress.enabled, ingress.tlsSecretName and certificate.issuerRef.name" -}}
{{- end -}}
{{- end -}}
{{- include "underway.tlsChecks" . -}}
{{- $several := or (gt (int $v.controller.replicas) 1) (ne $v.autoscaling.kind "none") -}}
{{- if and (eq ($v.server.modelControl | default "poll") "explicit") $several -}}
{{- fail "server.modelControl explicit with several replicas: a load call would reach one of them only" -}}
{{- end -}}
{{- end -}}

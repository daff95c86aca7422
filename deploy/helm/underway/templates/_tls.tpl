{{- /* TLS of the server itself: flags, files, and what those who ask it are told. */ -}}

{{- define "underway.tlsArgs" -}}
{{- if .Values.tls.secretName -}}
- --tls-certificate
- /etc/underway/tls/tls.crt
- --tls-key
- /etc/underway/tls/tls.key
{{- if .Values.tls.clientCa.secretName }}
- --tls-client-ca
- /etc/underway/client-ca/ca.crt
{{- end }}
{{- end -}}
{{- end -}}

{{- /* Whole folders: a file mounted by subPath would never change. */ -}}
{{- define "underway.tlsMounts" -}}
{{- if .Values.tls.secretName -}}
- {name: tls, mountPath: /etc/underway/tls, readOnly: true}
{{- if .Values.tls.clientCa.secretName }}
- {name: client-ca, mountPath: /etc/underway/client-ca, readOnly: true}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "underway.tlsVolumes" -}}
{{- if .Values.tls.secretName -}}
- name: tls
  secret:
    secretName: {{ .Values.tls.secretName }}
    defaultMode: 0440
    items:
      - {key: tls.crt, path: tls.crt}
      - {key: tls.key, path: tls.key}
{{- if .Values.tls.clientCa.secretName }}
- name: client-ca
  secret:
    secretName: {{ .Values.tls.clientCa.secretName }}
    defaultMode: 0440
    items:
      - {key: {{ .Values.tls.clientCa.key }}, path: ca.crt}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "underway.scheme" -}}
{{- ternary "https" "http" (ne .Values.tls.secretName "") -}}
{{- end -}}

{{- /* Either protocol looks the same to a proxy, which finds HTTP/2 in the handshake. */ -}}
{{- define "underway.grpcProtocol" -}}
{{- ternary "https" "kubernetes.io/h2c" (ne .Values.tls.secretName "") -}}
{{- end -}}

{{- define "underway.dnsName" -}}
{{- printf "%s.%s.svc" (include "underway.fullname" .) .Release.Namespace -}}
{{- end -}}

{{- /* What clients within the cluster call the Service, the headless one, and each pod behind that. */ -}}
{{- define "underway.dnsNames" -}}
{{- $services := list (include "underway.fullname" .) -}}
{{- if .Values.service.headless.enabled -}}
{{- $services = append $services (printf "%s-headless" (include "underway.fullname" .)) -}}
{{- end -}}
{{- range $service := $services }}
- {{ $service }}
- {{ $service }}.{{ $.Release.Namespace }}
- {{ $service }}.{{ $.Release.Namespace }}.svc
- {{ $service }}.{{ $.Release.Namespace }}.svc.cluster.local
{{- end }}
{{- if .Values.service.headless.enabled }}
- {{ printf "*.%s-headless.%s.svc" (include "underway.fullname" .) .Release.Namespace | quote }}
- {{ printf "*.%s-headless.%s.svc.cluster.local" (include "underway.fullname" .) .Release.Namespace | quote }}
{{- end }}
{{- end -}}

{{- define "underway.tlsChecks" -}}
{{- $tls := .Values.tls -}}
{{- if and $tls.clientCa.secretName (not $tls.secretName) -}}
{{- fail "tls.clientCa.secretName: only with tls.secretName" -}}
{{- end -}}
{{- if and $tls.certificate.enabled (not (and $tls.secretName $tls.certificate.issuerRef.name)) -}}
{{- fail "tls.certificate.enabled needs tls.secretName and tls.certificate.issuerRef.name" -}}
{{- end -}}
{{- if and .Values.test.enabled $tls.clientCa.secretName (not $tls.test.secretName) -}}
{{- fail "tls.test.secretName: expected a Secret with a client's certificate for `helm test`, as tls.clientCa.secretName is set; or set test.enabled to false" -}}
{{- end -}}
{{- end -}}

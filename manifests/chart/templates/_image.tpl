{{/* An image's name, of repository, tag and digest. */}}
{{- define "podtap.image" -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end }}
{{/* A name with a digest of what is in it: a change of it is a rolling restart. */}}
{{- define "podtap.hashed" -}}
{{ .name }}-{{ toJson .data | sha256sum | trunc 10 }}
{{- end }}
{{- define "podtap.settings" -}}
{{ include "podtap.hashed" (dict "name" "podtap-settings" "data" .Values.settings) }}
{{- end }}

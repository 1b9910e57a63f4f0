{{/* Each sensor: its configuration, container and volumes. */}}
{{- define "podtap.sensor.file" -}}
{{ dict "suricata" "podtap.yaml" "zeek" "podtap.zeek" | dig .Values.sensor "" }}
{{- end }}
{{- define "podtap.sensor.text" -}}
{{ .Files.Get (printf "files/%s" (include "podtap.sensor.file" .)) | replace "podtap0" .Values.tap }}
{{- end }}
{{- define "podtap.sensor.config" -}}
{{ include "podtap.hashed" (dict "name" .Values.sensor "data" (include "podtap.sensor.text" .)) }}
{{- end }}

{{- define "podtap.suricata.container" -}}
name: suricata
image: {{ include "podtap.image" .Values.suricata.image }}
imagePullPolicy: {{ .Values.suricata.image.pullPolicy }}
args: [-c, /etc/suricata/suricata.yaml, --include, /etc/podtap/podtap.yaml, --af-packet={{ .Values.tap }}, -l, /var/log/suricata]
readinessProbe:
  exec:
    command: [test, -s, /var/log/suricata/eve.json]
  periodSeconds: 1
resources:
  {{- toYaml .Values.suricata.resources | nindent 2 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 64535
  runAsGroup: 64535
  privileged: false
  readOnlyRootFilesystem: true
  # NET_RAW is a file capability of the image's binary, and all that any program
  # in this container could ever get.
  allowPrivilegeEscalation: true
  seccompProfile:
    type: RuntimeDefault
  capabilities:
    drop: [ALL]
    add: [NET_RAW]
volumeMounts:
- name: suricata-config
  mountPath: /etc/podtap
  readOnly: true
- name: suricata-log
  mountPath: /var/log/suricata
- name: suricata-run
  mountPath: /run/suricata
{{- end }}

{{- define "podtap.suricata.volumes" -}}
- name: suricata-config
  configMap:
    name: {{ include "podtap.sensor.config" . }}
- name: suricata-log
  emptyDir:
    sizeLimit: {{ .Values.suricata.logSize }}
- name: suricata-run
  emptyDir:
    medium: Memory
    sizeLimit: 16Mi
{{- end }}

{{- define "podtap.zeek.container" -}}
name: zeek
image: {{ include "podtap.image" .Values.zeek.image }}
imagePullPolicy: {{ .Values.zeek.image.pullPolicy }}
command: [zeek]
args: [-i, {{ .Values.tap }}, /etc/podtap/podtap.zeek]
workingDir: /var/log/zeek
readinessProbe:
  exec:
    command: [test, -s, /var/log/zeek/packet_filter.log]
  periodSeconds: 1
resources:
  {{- toYaml .Values.zeek.resources | nindent 2 }}
securityContext:
  # Its binary has no file capabilities: root, with NET_RAW alone.
  runAsUser: 0
  privileged: false
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  seccompProfile:
    type: RuntimeDefault
  capabilities:
    drop: [ALL]
    add: [NET_RAW]
volumeMounts:
- name: zeek-config
  mountPath: /etc/podtap
  readOnly: true
- name: zeek-log
  mountPath: /var/log/zeek
{{- end }}

{{- define "podtap.zeek.volumes" -}}
- name: zeek-config
  configMap:
    name: {{ include "podtap.sensor.config" . }}
- name: zeek-log
  emptyDir:
    sizeLimit: {{ .Values.zeek.logSize }}
{{- end }}

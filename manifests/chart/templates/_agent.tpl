{{/* The agent's container. */}}
{{- define "podtap.agent.container" -}}
name: agent
image: {{ include "podtap.image" (merge (dict "tag" (.Values.image.tag | default .Chart.AppVersion)) .Values.image) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
- agent
- --tap
- {{ .Values.tap }}
- --proc
- /host/proc
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
envFrom:
- configMapRef:
    name: {{ include "podtap.settings" . }}
    optional: true
env:
- name: PODTAP_NODE
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
# What it must never tap: itself, and podtap's other pods.
- name: PODTAP_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: PODTAP_POD_UID
  valueFrom:
    fieldRef:
      fieldPath: metadata.uid
# Taps are pinned there, and left to the next agent as long as this DaemonSet
# stays.
- name: PODTAP_BPFFS
  value: /sys/fs/bpf
- name: PODTAP_DAEMON_SET
  value: podtap
startupProbe:
  exec:
    command: [/usr/local/bin/podtap, status]
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 60
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  runAsUser: 0
  privileged: false
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  seccompProfile:
    type: RuntimeDefault
  # The default profile forbids to read /proc/PID/ns of other pods.
  appArmorProfile:
    type: Unconfined
  capabilities:
    drop: [ALL]
    add:
    - BPF         # load programs, make maps
    - PERFMON     # read the kernel's packet metadata
    - NET_ADMIN   # attach to interfaces, make the tap
    - SYS_ADMIN   # enter a pod's network namespace
    - SYS_PTRACE  # read /proc/PID/ns of a pod
volumeMounts:
- name: proc
  mountPath: /host/proc
  readOnly: true
- name: tun
  mountPath: /dev/net/tun
- name: bpffs
  mountPath: /sys/fs/bpf
- name: socket
  mountPath: /run/podtap
- name: token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}

{{- define "sriovdp.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "sriovdp.fullname" -}}
{{- $name := include "sriovdp.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Which pods are those of this release. */}}
{{- define "sriovdp.selector" -}}
app.kubernetes.io/name: {{ include "sriovdp.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sriovdp.labels" -}}
{{ include "sriovdp.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "sriovdp.serviceAccount" -}}
{{- $default := ternary (include "sriovdp.fullname" .) "" .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default $default }}
{{- end }}

{{- define "sriovdp.image" -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag }}
{{- end }}
{{- end }}

{{- define "sriovdp.listen" -}}
{{- $address := .address }}
{{- if eq $address "nodeIP" }}{{ $address = "$(NODE_IP)" }}
{{- else if eq $address "nodeIPv6" }}{{ $address = "[$(NODE_IP)]" }}
{{- else if contains ":" $address }}{{ $address = printf "[%s]" $address }}
{{- end }}
{{- printf "%s:%d" $address (int .port) }}
{{- end }}

{{/*
The DaemonSets, as a list in JSON: `name`, `suffix` (of the names of objects), `nodeSelector`, and `others`, the node
selectors whose nodes belong to other DaemonSets. `index` is the place in `configurations`, and -1 for `config`.
*/}}
{{- define "sriovdp.instances" -}}
{{- $instances := list }}
{{- $others := list }}
{{- $names := list }}
{{- range $index, $one := .Values.configurations }}
  {{- if has $one.name $names }}
    {{- fail (printf "configurations: the name `%s` is there twice" $one.name) }}
  {{- end }}
  {{- $names = append $names $one.name }}
  {{- $instances = append $instances (dict "name" $one.name "suffix" (printf "-%s" $one.name) "index" $index "nodeSelector" $one.nodeSelector "others" $others) }}
  {{- $others = append $others $one.nodeSelector }}
{{- end }}
{{- if .Values.config }}
  {{- $instances = prepend $instances (dict "name" "default" "suffix" "" "index" -1 "nodeSelector" dict "others" $others) }}
{{- end }}
{{- if not $instances }}
  {{- fail "config: there is neither a `config` nor an entry in `configurations`" }}
{{- end }}
{{- toJson $instances }}
{{- end }}

{{/*
The affinity of a DaemonSet: that of the values, without the nodes of others. A node is one of a selector's when it has
all its labels, so it is none when it lacks one of them: a term for each label, and each combination for several
selectors.
*/}}
{{- define "sriovdp.affinity" -}}
{{- $affinity := deepCopy .affinity }}
{{- if .others }}
  {{- $terms := dig "nodeAffinity" "requiredDuringSchedulingIgnoredDuringExecution" "nodeSelectorTerms" list $affinity }}
  {{- $terms = $terms | default (list dict) }}
  {{- range $selector := .others }}
    {{- $next := list }}
    {{- range $term := $terms }}
      {{- range $key, $value := $selector }}
        {{- $lacks := dict "key" $key "operator" "NotIn" "values" (list $value) }}
        {{- $all := append (dig "matchExpressions" list $term) $lacks }}
        {{- $next = append $next (merge (dict "matchExpressions" $all) $term) }}
      {{- end }}
    {{- end }}
    {{- $terms = $next }}
  {{- end }}
  {{- $required := dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms) }}
  {{- $affinity = merge (dict "nodeAffinity" (merge $required (dig "nodeAffinity" dict $affinity))) $affinity }}
{{- end }}
{{- with $affinity }}{{ toYaml . }}{{ end }}
{{- end }}

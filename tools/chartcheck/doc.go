// Package chartcheck holds the rules of the Helm chart in helm/ as tests, none of which needs a cluster: `make chart` runs them.
//
// The chart is rendered by the helm that tools/helm builds, with each of its example values (helm/ci). What comes out is decoded strictly, by the types of
// client-go and of the Prometheus operator, so that a field that nobody knows fails; its pods are held to what a cluster with restricted pods asks for; the sidecar's
// configuration in it is read by the real binary, in the environment that the pod would give it. And one pod is run for real, its containers as processes of this
// machine: restored, written to, lost, and restored again.
//
// HELM, AOFSIDECAR and SERVER name the binaries; without them they are where make puts them.
package chartcheck

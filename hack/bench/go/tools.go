//go:build tools

package bench

// The program that is built from this module as it stands: the import keeps it in go.mod.
import _ "sigs.k8s.io/kwok/cmd/kwok"

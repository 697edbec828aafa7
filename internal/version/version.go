// Package version says which build this is.
package version

import "runtime/debug"

// version is set by the linker.
var version string

// String is the version of the build: what the linker set, else what Go
// recorded, else "unknown".
func String() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "unknown"
}

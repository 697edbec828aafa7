// Package serve puts the parts of one installation together: store, control
// plane, API and node, in one process. It starts them in the order of their
// dependencies and stops them in reverse.
package serve

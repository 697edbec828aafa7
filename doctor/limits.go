package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"causeway.dev/internal/localapi"
)

// LimitsPath is where a LimitsHandler is served on a control socket.
const LimitsPath = "/instance-limits"

// InstanceLimits say whether instances are held to the sizes of their types.
type InstanceLimits struct {
	Enforced bool `json:"enforced"` // as the configuration says

	// Missing are the controllers of control groups that this host has not for
	// instances, with the reason.
	Missing map[string]string `json:"missing,omitempty"`
}

// String says it in one line.
func (l InstanceLimits) String() string {
	switch {
	case !l.Enforced:
		return "instances are not limited: instance_limits in the configuration says so"
	case len(l.Missing) == 0:
		return "instances are held to their types by control groups"
	}
	var why []string
	for _, controller := range slices.Sorted(maps.Keys(l.Missing)) {
		why = append(why, controller+" ("+l.Missing[controller]+")")
	}
	return "instances are NOT limited by " + strings.Join(why, ", ")
}

// LimitsHandler answers AskLimits.
func LimitsHandler(limits InstanceLimits) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(limits) // the command has gone
	})
}

// AskLimits asks the process that serves a control socket.
func AskLimits(ctx context.Context, socket string) (limits InstanceLimits, err error) {
	answer, err := localapi.Ask(ctx, socket, LimitsPath, nil)
	if err != nil {
		return limits, err
	}
	defer answer.Close()
	if err := json.NewDecoder(answer).Decode(&limits); err != nil {
		return limits, fmt.Errorf("read the instances' limits: %w", err)
	}
	return limits, nil
}

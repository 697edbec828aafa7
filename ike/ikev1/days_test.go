package ikev1

import (
	"testing"

	"causeway.dev/ike/enginetest"
)

func TestTunnelDays(t *testing.T) { enginetest.TunnelDays(t, 1_000, engines) }

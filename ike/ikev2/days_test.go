package ikev2

import (
	"testing"

	"causeway.dev/ike/enginetest"
)

func TestTunnelDays(t *testing.T) { enginetest.TunnelDays(t, 1_500, engines) }

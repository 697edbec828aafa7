package ikev2

import (
	"testing"

	"causeway.dev/ike/enginetest"
)

func TestKeyRotation(t *testing.T) {
	enginetest.Rotation[*Gate]{
		Engines: engines, CheckNone: checkNone, FallsBack: true,
		Retired: reasonKeyRetired, Mismatch: "pre-shared key mismatch",
	}.Run(t)
}

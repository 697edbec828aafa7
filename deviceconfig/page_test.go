package deviceconfig

import (
	"os"
	"strings"
	"testing"
)

// The page about devices has a row for each, with the words that clients choose by.
func TestPageListsEveryDevice(t *testing.T) {
	page, err := os.ReadFile("../docs/devices.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Devices() {
		if row := "| " + d.Vendor + " | " + d.Platform + " | " + d.Software + " |"; !strings.Contains(string(page), row) {
			t.Errorf("docs/devices.md has no row %q", row)
		}
	}
	if rows := strings.Count(string(page), "\n| ") - 1; rows != len(Devices()) {
		t.Errorf("docs/devices.md has %d rows, and there are %d devices", rows, len(Devices()))
	}
}

// IDs are for ever, so none may be given twice.
func TestIDsAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range Devices() {
		if seen[d.ID] || len(d.ID) != 8 {
			t.Errorf("%s %s has the id %s", d.Vendor, d.Platform, d.ID)
		}
		seen[d.ID] = true
	}
}

package deviceconfig

import (
	"os"
	"strings"
	"testing"
)

// The page about devices has a row for each, with the words that clients choose by
// and the kinds of routing that there are samples for.
func TestPageListsEveryDevice(t *testing.T) {
	page, err := os.ReadFile("../docs/devices.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Devices() {
		words := "| " + d.Vendor + " | " + d.Platform + " | " + d.Software + " |"
		row := lineOf(string(page), words)
		cells := strings.Split(row, " | ")
		if len(cells) != 8 {
			t.Errorf("docs/devices.md has no row %q, or one of %d cells", words, len(cells))
			continue
		}
		if cells[5] == "no" != (d.withoutStatic != "") || cells[6] == "no" != (d.withoutBGP != "") {
			t.Errorf("docs/devices.md says of %s: static routes %q, BGP %q", words, cells[5], cells[6])
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

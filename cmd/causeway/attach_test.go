package main

import "testing"

func TestAttachAsksForAPlace(t *testing.T) {
	if err := (attachCommand{Device: "eth0"}).Validate(); err == nil {
		t.Error("no place is enough")
	}
	for _, c := range []attachCommand{{Netns: "web"}, {Bridge: "br0"}, {TAP: "tap0"}, {Interface: "lan0"}} {
		if err := c.Validate(); err != nil {
			t.Errorf("%+v: %v", c.place(), err)
		}
	}
}

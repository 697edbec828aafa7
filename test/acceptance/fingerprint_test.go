package acceptance

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// fingerprint is what the kernel has of an installation: a text for each
// namespace, without what differs from one making to the next.
func (i *installation) fingerprint() map[string]string {
	i.t.Helper()
	all := map[string]string{}
	for _, name := range i.namespaces() {
		out, err := i.lab.Find(name).Try("sh", "-c", look)
		if err != nil {
			// One that is being made has its name before it is there.
			all[name] = err.Error()
			continue
		}
		listings := strings.Split(out, "$\n")
		for n, listing := range listings {
			listings[n] = normal(listing)
		}
		all[name] = strings.Join(listings, "\n")
	}
	return all
}

// look lists what makes a network, separated by lines of "$". ip complains where
// it cannot name the other end's namespace, which others may be removing.
const look = `ip -o link 2>/dev/null; echo "$"
ip -o -4 addr; echo "$"
ip rule; echo "$"
ip -4 route show table all; echo "$"
ip -4 neigh show nud permanent; echo "$"
nft list ruleset; echo "$"
cd /proc/sys/net/ipv4 && grep . ip_forward conf/*/rp_filter conf/*/proxy_arp conf/*/forwarding conf/*/accept_local`

var (
	indexes  = regexp.MustCompile(`(?m)^\d+: |@if\d+|link-netns \S+|link-netnsid \d+`)
	peerMACs = regexp.MustCompile(`link/ether \S+ brd \S+`)
	counters = regexp.MustCompile(`packets \d+ bytes \d+`)
	elements = regexp.MustCompile(`(?s)elements = \{([^}]*)\}`)
)

// normal takes numbers that the kernel gives out of a text, and sorts what has no
// order: lines of a listing, and elements of a set.
func normal(text string) string {
	text = indexes.ReplaceAllString(text, "")
	text = peerMACs.ReplaceAllString(text, "")
	text = counters.ReplaceAllString(text, "")
	text = elements.ReplaceAllStringFunc(text, func(set string) string {
		inner := elements.FindStringSubmatch(set)[1]
		words := strings.Split(strings.Join(strings.Fields(inner), " "), ", ")
		slices.Sort(words)
		return "elements = {" + strings.Join(words, ", ") + "}"
	})
	if strings.Contains(text, "table ") && strings.Contains(text, "{") {
		return text // nftables: the order of rules matters
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// settled waits until the fingerprint has stopped changing, and returns it.
func (i *installation) settled(most time.Duration) map[string]string {
	i.t.Helper()
	var changing []string
	last := i.fingerprint()
	for deadline := time.Now().Add(most); time.Now().Before(deadline); {
		time.Sleep(500 * time.Millisecond)
		now := i.fingerprint()
		if changing = difference(last, now); len(changing) == 0 {
			return now
		}
		last = now
	}
	i.t.Fatalf("the network still changes after %v:\n%s", most, strings.Join(changing, "\n"))
	return nil
}

// difference tells where two fingerprints differ, a line each.
func difference(a, b map[string]string) (all []string) {
	for name := range a {
		if _, ok := b[name]; !ok {
			all = append(all, "- "+name)
		}
	}
	for name, text := range b {
		was, ok := a[name]
		if !ok {
			all = append(all, "+ "+name)
			continue
		}
		before, after := strings.Split(was, "\n"), strings.Split(text, "\n")
		for _, line := range before {
			if !slices.Contains(after, line) {
				all = append(all, name+": - "+line)
			}
		}
		for _, line := range after {
			if !slices.Contains(before, line) {
				all = append(all, name+": + "+line)
			}
		}
	}
	slices.Sort(all)
	return all
}

// sameNetwork reports how two fingerprints differ.
func sameNetwork(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	if d := difference(want, got); len(d) > 0 {
		t.Errorf("%s:\n%s", what, strings.Join(d[:min(len(d), 60)], "\n"))
	}
}

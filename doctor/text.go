package doctor

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"causeway.dev/ike/daemon"
	"causeway.dev/ipsec"
)

const (
	// failuresShown and linesShown keep a tunnel on one screen; WriteJSON has all.
	failuresShown = 3
	linesShown    = 8

	// columnMax is the width of the left one of two columns, in characters.
	columnMax = 44

	// proposalsShown is how many proposals of the configuration a line has.
	proposalsShown = 4
)

// WriteTable writes a line a tunnel, those that are down first.
func WriteTable(w io.Writer, reports []Report) error {
	sorted := slices.Clone(reports)
	slices.SortStableFunc(sorted, func(a, b Report) int {
		switch {
		case a.Up == b.Up:
			return strings.Compare(a.Name, b.Name)
		case a.Up:
			return 1
		}
		return -1
	})
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TUNNEL\tOUTSIDE\tPEER\tSTATE\tFOR\tIN\tOUT\tWHAT")
	for _, r := range sorted {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, cmp.Or(r.Outside, r.Configuration.Local.String()), r.peer(), r.state(), span(r.At.Sub(r.Since)),
			octets(r.Traffic.InboundBytes), octets(r.Traffic.OutboundBytes), r.sentence())
	}
	return t.Flush()
}

// Write writes what is known of a tunnel, the most important first.
func Write(w io.Writer, r Report) error {
	p := &page{w: w, now: r.At}
	head := r.Name
	if r.Outside != "" {
		head += " (" + r.Outside + ")"
	}
	p.linef("%s is %s for %s: %s", head, r.state(), span(r.At.Sub(r.Since)), r.Verdict)
	if r.Change != "" {
		p.linef("  do this: %s", r.Change)
	}
	if !r.ipsecUp() && len(r.Failures) > 0 {
		p.comparisons(r.Failures[0].Compared)
	}
	p.linef("")
	p.layers(r)
	p.bgp(r.BGP)
	p.arrivals(r)
	p.ikeSA(r)
	for _, c := range r.Children {
		p.child(c)
	}
	p.traffic(r.Traffic)
	p.row("ignored", counted(r.OutsideDrops)...) // of anybody: a flood is seen here
	p.path(r.Path)
	p.configuration(r.Configuration)
	p.failures(r.Failures)
	return p.err
}

func (r Report) state() string {
	if r.Up {
		return "UP"
	}
	return "DOWN"
}

func (r Report) peer() string {
	switch {
	case r.Path.Remote.IsValid():
		return r.Path.Remote.Addr().String()
	case r.Configuration.Remote.IsValid():
		return r.Configuration.Remote.String()
	}
	return "any"
}

func (r Report) sentence() string {
	if r.Change == "" {
		return r.Verdict
	}
	return r.Verdict + "; " + r.Change
}

// A page is what is being written about one tunnel.
type page struct {
	w   io.Writer
	now time.Time
	err error
}

func (p *page) linef(format string, values ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", values...)
	}
}

// row writes a heading and a line; without a line there is nothing to write.
func (p *page) row(heading string, parts ...string) {
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	if len(parts) > 0 {
		p.linef("  %-9s %s", heading, strings.Join(parts, ", "))
	}
}

// layers says how far it goes: each stands on the one before.
func (p *page) layers(r Report) {
	word := map[bool]string{true: "yes", false: "no"}
	arrives := r.Arrivals.UDP500.Count+r.Arrivals.UDP4500.Count+r.Arrivals.ESP.Count+r.Arrivals.Strays.Count > 0
	session := ""
	if r.BGP != nil {
		session = " > BGP: " + word[r.BGP.Established]
	}
	p.linef("  %-9s peer's packets arrive: %s > IKE SA: %s > child SA: %s > ESP arrives: %s%s", "layers",
		word[arrives], word[r.IKE != nil], word[len(r.Children) > 0], word[r.Arrivals.ESP.Count > 0], session)
}

func (p *page) arrivals(r Report) {
	stray := ""
	if r.Arrivals.Strays.Count > 0 {
		stray = "ESP for no SA of ours " + p.count(r.Arrivals.Strays)
	}
	p.row("arrived", "UDP 500 "+p.count(r.Arrivals.UDP500), "UDP 4500 (IKE) "+p.count(r.Arrivals.UDP4500), "ESP "+p.count(r.Arrivals.ESP), stray)
	if r.SendError != "" {
		p.row("sending", "fails: "+r.SendError)
	}
}

func (p *page) ikeSA(r Report) {
	i := r.IKE
	switch {
	case i == nil && r.Connecting:
		p.row("IKE SA", "none", "negotiating now")
		return
	case i == nil && !r.NextAttempt.IsZero():
		p.row("IKE SA", "none", "next attempt in "+span(r.NextAttempt.Sub(p.now)))
		return
	case i == nil && r.Configuration.Start:
		p.row("IKE SA", "none")
		return
	case i == nil:
		p.row("IKE SA", "none", "the peer has to begin")
		return
	}
	rekeyed := ""
	if !i.Rekeyed.IsZero() {
		rekeyed = "rekeyed " + p.ago(i.Rekeyed)
	}
	p.row("IKE SA", i.Version+" "+i.Proposal, "peer is "+i.RemoteID, "since "+p.ago(i.Established), rekeyed, p.clocks(i.RekeyAt, i.ExpiresAt))
	proved := ""
	if i.Certificate != nil {
		proved = fmt.Sprintf("its certificate %q expires %s", i.Certificate.Subject, i.Certificate.NotAfter.UTC().Format(time.RFC3339))
	}
	if i.FormerKey {
		proved = "it uses the former pre-shared key"
	}
	p.row("", "last message in "+p.ago(i.LastReceived), "out "+p.ago(i.LastSent), proved)
}

func (p *page) child(c ipsec.ChildSA) {
	state := "not in use"
	if c.Active {
		state = "in use"
	}
	p.row("child SA", c.Inbound+" in "+c.Outbound+" out", state, c.Proposal, p.clocks(c.RekeyAt, c.ExpiresAt))
	p.row("", selectors(c.Selectors))
}

func selectors(s ipsec.SelectorPair) string {
	side := func(name string, prefixes []string) string {
		if len(prefixes) == 0 {
			prefixes = []string{"any"}
		}
		return name + " " + strings.Join(prefixes, " ")
	}
	var local, remote []string
	for _, prefix := range s.Local {
		local = append(local, prefix.String())
	}
	for _, prefix := range s.Remote {
		remote = append(remote, prefix.String())
	}
	return side("local", local) + " === " + side("remote", remote)
}

func (p *page) traffic(t ipsec.Traffic) {
	p.row("in", fmt.Sprintf("%d packets", t.InboundPackets), octets(t.InboundBytes), "last "+p.ago(t.LastInbound))
	p.row("out", fmt.Sprintf("%d packets", t.OutboundPackets), octets(t.OutboundBytes), "last "+p.ago(t.LastOutbound))
	p.row("dropped", counted(t.Drops)...)
}

// counted are numbers by their reasons.
func counted(drops map[string]uint64) (all []string) {
	for _, reason := range slices.Sorted(maps.Keys(drops)) {
		all = append(all, fmt.Sprintf("%s %d", reason, drops[reason]))
	}
	return all
}

func (p *page) path(path ipsec.Path) {
	if !path.Remote.IsValid() {
		return
	}
	nat := "no NAT"
	switch {
	case path.NATLocal && path.NATRemote:
		nat = "NAT on both sides"
	case path.NATLocal:
		nat = "NAT on our side"
	case path.NATRemote:
		nat = "NAT on the peer's side"
	}
	mobike := ""
	if path.MOBIKE {
		mobike = "the peer may move (MOBIKE)"
	}
	p.row("path", fmt.Sprintf("%v to %v", path.Local, path.Remote), "ESP in "+path.Encapsulation, nat, mobike)
	p.row("MTU", fmt.Sprintf("inside %d", path.InsideMTU), p.measured(path.MTU))
}

// measured says what probes have found out of the path.
func (p *page) measured(m ipsec.PathMTU) string {
	switch m.State {
	case ipsec.PathMTUMeasured:
		text := fmt.Sprintf("measured %s: datagrams of %d arrive whole, %d inside", p.ago(m.Measured), m.Outside, m.Inside)
		if m.Lower() {
			text += fmt.Sprintf(" where %d is assumed", m.Assumed)
		}
		return text
	case ipsec.PathMTUUnanswered, ipsec.PathMTUImpossible:
		return "not measured: " + m.Reason
	}
	return "not measured yet"
}

func (p *page) configuration(c ipsec.Configuration) {
	begins := "the peer begins"
	if c.Start {
		begins = "we begin"
	}
	expiry := ""
	if c.Certificate != nil {
		expiry = "ours expires " + c.Certificate.NotAfter.UTC().Format(time.RFC3339)
	}
	if !c.FormerKeyUntil.IsZero() {
		expiry = "the former key too until " + c.FormerKeyUntil.UTC().Format(time.RFC3339)
	}
	p.row("wanted", c.Versions, begins, "we are "+c.LocalID, "peer is "+c.RemoteID, c.Authentication, expiry)
	p.row("", "IKE "+first(c.IKEAccepts, proposalsShown, " "))
	p.row("", "ESP "+first(c.ESPAccepts, proposalsShown, " "))
	p.row("", selectors(c.Selectors))
}

// first joins the first most of all, and says how many more there are.
func first(all []string, most int, between string) string {
	if len(all) <= most {
		return strings.Join(all, between)
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:most], between), len(all)-most)
}

func (p *page) failures(all []ipsec.Failure) {
	for i, f := range all[:min(len(all), failuresShown)] {
		heading := ""
		if i == 0 {
			heading = "failures"
		}
		times := ""
		if f.Count > 1 {
			times = fmt.Sprintf(" (%d times since %s)", f.Count, f.First.UTC().Format(time.RFC3339))
		}
		p.linef("  %-9s %s%s: %s", heading, p.ago(f.Last), times, f.Reason)
		p.row("", "before it IKE in "+p.at(f.IKEReceived)+" out "+p.at(f.IKESent), "ESP in "+p.at(f.ESPReceived)+" out "+p.at(f.ESPSent))
	}
}

// comparisons puts both sides beside each other.
func (p *page) comparisons(all []ipsec.Comparison) {
	for _, c := range all {
		left := "the peer answers"
		if c.Asked == "peer" {
			left = "the peer asks for"
		}
		theirs := c.Peer
		if len(theirs) == 0 {
			theirs = []string{"(it refuses all of these)"}
		}
		p.linef("")
		p.linef("  %s", c.Subject)
		p.linef("  %-*s  %s", columnMax, left, "this tunnel takes")
		for i := range min(max(len(theirs), len(c.Own)), linesShown) {
			p.linef("  %-*s  %s", columnMax, at(theirs, i), at(c.Own, i))
		}
		if more := max(len(theirs), len(c.Own)) - linesShown; more > 0 {
			p.linef("  … %d more lines: --json has them", more)
		}
	}
}

func at(all []string, i int) string {
	if i < len(all) {
		return all[i]
	}
	return ""
}

func (p *page) count(a daemon.Arrivals) string {
	if a.Count == 0 {
		return "none"
	}
	return fmt.Sprintf("%d, last %s", a.Count, p.ago(a.Last))
}

// ago says how long something is past.
func (p *page) ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return span(p.now.Sub(t)) + " ago"
}

// at is a time of day, of what is compared with others.
func (p *page) at(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("15:04:05")
}

func (p *page) clocks(rekey, expiry time.Time) string {
	text := ""
	if !rekey.IsZero() {
		text = "rekey in " + span(rekey.Sub(p.now))
	}
	if !expiry.IsZero() {
		if text != "" {
			text += ", "
		}
		text += "expires in " + span(expiry.Sub(p.now))
	}
	return text
}

// span shows a duration by its two largest units.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// octets shows an amount of data with three digits or so.
func octets(n uint64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	value, unit := float64(n), 0
	for value >= 1000 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

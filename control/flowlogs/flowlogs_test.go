package flowlogs

import (
	"compress/gzip"
	"context"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/logs"
	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

const (
	account = "123456789012"
	region  = "us-east-1"
)

var (
	scope = store.Scope{Account: account, Region: region}
	from  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func meta(id string) resource.Meta { return resource.Meta{ID: id, Account: account, Region: region} }

// A desk is a Log with what it reads and writes.
type desk struct {
	*Log
	t       *testing.T
	records *store.Store
	logs    *logs.Store
	dir     string
	denied  string // an action that the role does not allow
}

func newDesk(t *testing.T) *desk {
	records := storetest.Open(t)
	l, err := logs.Open(filepath.Join(t.TempDir(), "logs.db"), logs.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d := &desk{t: t, records: records, logs: l, dir: t.TempDir()}
	d.Log = New(Config{
		Records: records, Logs: l, Logger: slog.New(slog.DiscardHandler), Files: &Files{Dir: d.dir, BytesMax: 1 << 20},
		RoleMay: func(_, action, _ string) bool { return action != d.denied }, ZoneID: func(_, zone string) string { return "id of " + zone },
	})
	d.update(func(tx *store.Tx) {
		store.VPCs.Put(tx, resource.VPC{Meta: meta("vpc-1"), CIDRs: []resource.CIDRAssociation{{Prefix: netip.MustParsePrefix("10.0.0.0/16"), State: resource.StateAssociated}}})
		store.Subnets.Put(tx, resource.Subnet{Meta: meta("subnet-1"), VPC: "vpc-1", Zone: "us-east-1a"})
		store.RouteTables.Put(tx, resource.RouteTable{Meta: meta("rtb-1"), VPC: "vpc-1", Main: true, Routes: []resource.Route{{Destination: netip.MustParsePrefix("0.0.0.0/0"), Gateway: "igw-1"}}})
		for _, id := range []string{"eni-1", "eni-2"} {
			store.NetworkInterfaces.Put(tx, resource.NetworkInterface{Meta: meta(id), VPC: "vpc-1", Subnet: "subnet-1", Address: netip.MustParseAddr("10.0.1.4"), Instance: "i-1"})
		}
	})
	return d
}

func (d *desk) update(f func(tx *store.Tx)) {
	d.t.Helper()
	if err := d.records.Update(d.t.Context(), func(tx *store.Tx) error { f(tx); return nil }); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) put(all ...resource.FlowLog) {
	d.t.Helper()
	d.update(func(tx *store.Tx) {
		for _, l := range all {
			store.FlowLogs.Put(tx, l)
		}
	})
}

// group is a flow log that goes to a log group.
func group(id, kind, of, traffic string) resource.FlowLog {
	return resource.FlowLog{
		Meta: meta(id), ResourceType: kind, Resource: of, Traffic: traffic, DestinationType: resource.DestinationCloudWatchLogs,
		Destination: resource.LogGroupARN(region, account, id), Format: "${interface-id} ${srcport} ${action} ${az-id} ${traffic-path} ${log-status}",
	}
}

// told has an accepted flow out of eni-1 and a rejected one into it, and nothing of
// eni-2.
func told() nodespec.Flows {
	far, near := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("10.0.1.4")
	return nodespec.Flows{
		Network: "vpc-1", From: from, Until: from.Add(time.Minute), Interfaces: []string{"eni-1", "eni-2"},
		Flows: []nodespec.Flow{
			{Interface: "eni-1", Egress: true, Accepted: true, Source: near, Destination: far, Protocol: 17, SourcePort: 1, Packets: 1, First: from.Add(time.Second)},
			{Interface: "eni-1", Source: far, Destination: near, Protocol: 17, SourcePort: 2, Packets: 1, First: from.Add(2 * time.Second)},
		},
	}
}

// streams returns the messages of a group by stream.
func (d *desk) streams(name string) map[string][]string {
	d.t.Helper()
	page, err := d.logs.Read(from.Add(time.Hour), logs.Query{Scope: logs.Scope{Account: account, Region: region}, Group: name, Limit: 100})
	if err != nil {
		return nil
	}
	found := map[string][]string{}
	for _, e := range page.Events {
		found[e.Stream] = append(found[e.Stream], e.Message)
	}
	return found
}

func (d *desk) status(id string) string {
	s, _ := store.FlowLogStatuses.Get(d.records.Snapshot(), scope, id)
	return s.Error
}

// TestFlowLogsOfAllKinds: what is recorded of an interface, of its subnet and of its
// VPC.
func TestFlowLogsOfAllKinds(t *testing.T) {
	d := newDesk(t)
	d.put(group("fl-1", resource.FlowLogNetworkInterface, "eni-1", resource.TrafficAll), group("fl-2", resource.FlowLogSubnet, "subnet-1", resource.TrafficAccept),
		group("fl-3", resource.FlowLogVPC, "vpc-1", resource.TrafficReject), group("fl-4", resource.FlowLogVPC, "vpc-2", resource.TrafficAll))
	d.deliver(t.Context(), told())
	const accepted, rejected, nothing = "eni-1 1 ACCEPT id of us-east-1a 8 OK", "eni-1 2 REJECT id of us-east-1a - OK", "eni-2 - - id of us-east-1a - NODATA"
	for name, want := range map[string]map[string][]string{
		"fl-1": {"eni-1-all": {accepted, rejected}},
		"fl-2": {"eni-1-accept": {accepted}, "eni-2-accept": {nothing}},
		"fl-3": {"eni-1-reject": {rejected}, "eni-2-reject": {nothing}},
		"fl-4": nil,
	} {
		got := d.streams(name)
		for stream, lines := range want {
			if !slices.Equal(got[stream], lines) {
				t.Errorf("%s %s has %q, want %q", name, stream, got[stream], lines)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s has %q", name, got)
		}
	}

	// What an interface carried last is told when it is gone already.
	d.update(func(tx *store.Tx) { store.NetworkInterfaces.Delete(tx, scope, "eni-2") })
	d.deliver(t.Context(), told())
	if got := d.streams("fl-2")["eni-2-accept"]; len(got) != 2 {
		t.Errorf("of an interface that has gone there is %q", got)
	}
}

// TestRolesDecide: a role that may not write, or may not make the group, is shown.
func TestRolesDecide(t *testing.T) {
	d := newDesk(t)
	d.put(group("fl-1", resource.FlowLogVPC, "vpc-1", resource.TrafficAll))
	for _, action := range []string{"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"} {
		d.denied = action
		d.deliver(t.Context(), told())
		if got := d.status("fl-1"); got != "Access error" || len(d.streams("fl-1")) > 0 {
			t.Errorf("without %s the status is %q, and there is %q", action, got, d.streams("fl-1"))
		}
	}
	if _, undelivered := d.Drops(); undelivered != 9 {
		t.Errorf("%d records were not delivered", undelivered)
	}
	d.denied = "logs:CreateLogGroup" // it is there
	d.deliver(t.Context(), told())
	if got := d.status("fl-1"); got != "" || len(d.streams("fl-1")) != 2 {
		t.Errorf("with all that it takes the status is %q, and there is %q", got, d.streams("fl-1"))
	}
}

func TestFiles(t *testing.T) {
	d := newDesk(t)
	l := group("fl-1", resource.FlowLogVPC, "vpc-1", resource.TrafficAll)
	l.DestinationType, l.Destination = resource.DestinationS3, "arn:aws:s3:::bucket/folder"
	own := l
	own.ID, own.Destination, own.Resource = "fl-2", "arn:aws:s3:::own", "eni-1"
	own.ResourceType = resource.FlowLogNetworkInterface
	d.cfg.Files.Buckets = map[string]string{"own": t.TempDir()}
	d.put(l, own)
	d.deliver(t.Context(), told())
	want := "interface-id srcport action az-id traffic-path log-status\neni-1 1 ACCEPT id of us-east-1a 8 OK\neni-1 2 REJECT id of us-east-1a - OK\n"
	in := d.files(filepath.Join(d.dir, "bucket/folder/AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/03/01"))
	if len(in) != 1 || !strings.HasPrefix(in[0], "interface-id ") || !strings.Contains(in[0], "eni-2 - - id of us-east-1a - NODATA\n") {
		t.Errorf("in the bucket there is %q", in)
	}
	if in := d.files(d.cfg.Files.Buckets["own"]); !slices.Equal(in, []string{want}) {
		t.Errorf("in the configured bucket there is %q, want %q", in, want)
	}

	// One more finds no room, also when it is another process that counts; the
	// configured bucket is its owner's business.
	d.cfg.Files = &Files{Dir: d.dir, Buckets: d.cfg.Files.Buckets, BytesMax: 200}
	d.deliver(t.Context(), told())
	if got, of := d.status("fl-1"), d.status("fl-2"); got != "Unknown error" || of != "" {
		t.Errorf("without room the statuses are %q and %q", got, of)
	}
}

// files returns what the files below a directory say, which all are whole.
func (d *desk) files(dir string) (all []string) {
	d.t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		r, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(r)
		all = append(all, string(text))
		return err
	})
	if err != nil {
		d.t.Error(err)
	}
	return all
}

// TestRun: what was taken is written, also at the end, and flow logs of what is gone
// go.
func TestRun(t *testing.T) {
	d := newDesk(t)
	d.put(group("fl-1", resource.FlowLogVPC, "vpc-1", resource.TrafficAll), group("fl-2", resource.FlowLogSubnet, "subnet-2", resource.TrafficAll))
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	for limit := time.After(20 * time.Second); ; {
		if _, there := store.FlowLogs.Get(d.records.Snapshot(), scope, "fl-2"); !there {
			break
		}
		select {
		case <-limit:
			t.Fatal("the flow log of a subnet that is gone is still there")
		case <-d.records.Changed(d.records.Snapshot().Revision()):
		}
	}
	d.Take(told())
	end()
	<-done
	if got := d.streams("fl-1"); len(got) != 2 {
		t.Errorf("what was taken before the end is %q", got)
	}
	if d.waiting.Load() != 0 {
		t.Errorf("%d flows are waited for", d.waiting.Load())
	}
}

// TestQueueIsBounded: what finds no room is counted.
func TestQueueIsBounded(t *testing.T) {
	d := newDesk(t)
	for range windowsMax + 1 {
		d.Take(told())
	}
	if overflown, _ := d.Drops(); overflown != 2 {
		t.Errorf("%d flows found no room", overflown)
	}
}

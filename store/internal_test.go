package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"causeway.dev/internal/run"
	"causeway.dev/resource"
)

// Second returns another store on the etcd of s, as another process would have
// it: with a snapshot, a watch and a line of writers of its own.
func Second(t testing.TB, s *Store) *Store {
	t.Helper()
	second := &Store{client: s.client, logger: s.logger, group: run.New(context.Background()), writers: semaphore.NewWeighted(writersMax)}
	first, err := second.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second.current.Store(first)
	second.group.Go("store feed", second.feed)
	t.Cleanup(func() {
		if err := second.Close(); err != nil {
			t.Error(err)
		}
	})
	return second
}

// WriteBehind stores a VPC as another process would.
func WriteBehind(t testing.TB, s *Store, v resource.VPC) {
	t.Helper()
	encoded, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.Put(t.Context(), recordKey(VPCs.number, key{v.Account, v.Region, v.ID}), string(encoded)); err != nil {
		t.Fatal(err)
	}
}

func openForTest(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Dir: t.TempDir(), NoSync: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func testVPC(id string) resource.VPC {
	return resource.VPC{Meta: resource.Meta{ID: id, Account: "1", Region: "r"}}
}

func putVPC(t *testing.T, s *Store, v resource.VPC) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx *Tx) error { VPCs.Put(tx, v); return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestTablesAreNumberedInOrder(t *testing.T) {
	numbers := []int{
		VPCs.number, Subnets.number, RouteTables.number, SecurityGroups.number, NetworkInterfaces.number, Instances.number,
		InstanceStatuses.number, CustomerGateways.number, VPNGateways.number, VPNConnections.number, TunnelStatuses.number,
		Certificates.number, CertificateAuthorities.number, TunnelCertificates.number,
		Users.number, AccessKeys.number, Groups.number, Roles.number, Policies.number, SAMLProviders.number, AccountAliases.number,
		InternetGateways.number, EgressOnlyInternetGateways.number, Addresses.number, NATGateways.number, NATGatewayStatuses.number, InitialStates.number,
		ConnectionUsages.number, NetworkACLs.number, PrefixLists.number, PrefixListVersions.number, DHCPOptions.number, NetworkInterfaceStatuses.number, KeyPairs.number, FlowLogs.number, FlowLogStatuses.number,
		KeySecrets.number, FetchedKeys.number, InstanceProfiles.number, MetadataDefaults.number, AccessKeyUses.number, PublicAccessOptions.number, PublicAccessExclusions.number,
	}
	for want, number := range numbers {
		if number != want {
			t.Errorf("table %d of the list has number %d", want, number)
		}
	}
	if len(numbers) != len(tables) || len(tableByName) != len(tables) {
		t.Errorf("%d tables, %d numbers, %d names", len(tables), len(numbers), len(tableByName))
	}
}

func TestRecordKeysRoundTrip(t *testing.T) {
	for table := range tables {
		want := key{"123456789012", "us-east-1", "vpn-0123456789abcdef0/1"}
		stored := recordKey(table, want)
		gotTable, got, ok := parseRecordKey(stored)
		if !ok || got != want || gotTable != table {
			t.Errorf("%s: got %d %+v %v", stored, gotTable, got, ok)
		}
	}
	for _, strange := range []string{"", recordPrefix, recordPrefix + "vpcs", recordPrefix + "vpcs/1/r", recordPrefix + "unknown/1/r/x"} {
		if _, k, ok := parseRecordKey(strange); ok {
			t.Errorf("%q was taken for %+v", strange, k)
		}
	}
}

// Records that this version does not understand hide neither others nor
// themselves from being replaced.
func TestStrangeRecords(t *testing.T) {
	s := openForTest(t)
	for stored, value := range map[string]string{
		recordKey(VPCs.number, key{"1", "r", "vpc-1"}): "no JSON",
		recordPrefix + "unknown-table/1/r/x":           "{}",
	} {
		if _, err := s.client.Put(t.Context(), stored, value); err != nil {
			t.Fatal(err)
		}
	}
	putVPC(t, s, testVPC("vpc-2"))
	loaded, err := s.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, snapshot := range map[string]*Snapshot{"watched": s.Snapshot(), "loaded": loaded} {
		if _, ok := VPCs.Get(snapshot, Scope{"1", "r"}, "vpc-1"); ok {
			t.Errorf("%s: what can't be decoded was found", name)
		}
		for v := range VPCs.All(snapshot) {
			if v.ID != "vpc-2" {
				t.Errorf("%s: listed %s", name, v.ID)
			}
		}
	}
	putVPC(t, s, testVPC("vpc-1"))
	if _, ok := VPCs.Get(s.Snapshot(), Scope{"1", "r"}, "vpc-1"); !ok {
		t.Error("what can't be decoded was not replaced")
	}
}

// load must give one state although it takes several pages.
func TestLoadInPages(t *testing.T) {
	s := openForTest(t)
	const records = 2*loadPage + 7
	for from := 0; from < records; from += 500 {
		err := s.Update(t.Context(), func(tx *Tx) error {
			for i := from; i < min(from+500, records); i++ {
				VPCs.Put(tx, testVPC(fmt.Sprintf("vpc-%05d", i)))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := s.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if VPCs.Len(loaded) != records || VPCs.Len(s.Snapshot()) != records {
		t.Errorf("loaded %d, watched %d, want %d", VPCs.Len(loaded), VPCs.Len(s.Snapshot()), records)
	}
}

// A watch that was away for longer than history is kept starts over from all
// records, and shows what was removed meanwhile as removed.
func TestWatchResumesAfterCompaction(t *testing.T) {
	s := openForTest(t)
	putVPC(t, s, testVPC("vpc-1"))
	putVPC(t, s, testVPC("vpc-2"))

	// A second process whose watch has not begun while history goes on.
	late := &Store{client: s.client, logger: s.logger, group: run.New(context.Background()), writers: semaphore.NewWeighted(writersMax)}
	stale, err := late.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	late.current.Store(stale)
	if err := s.Update(t.Context(), func(tx *Tx) error { VPCs.Delete(tx, Scope{"1", "r"}, "vpc-1"); return nil }); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		putVPC(t, s, testVPC(fmt.Sprintf("vpc-1%d", i)))
	}
	if err := s.tidy(t.Context(), 1, 0); err != nil { // with defragmentation
		t.Fatal(err)
	}
	if err := s.tidy(t.Context(), 1, 0); err != nil { // again, with nothing left to do
		t.Fatal(err)
	}

	late.group.Go("store feed", late.feed)
	defer late.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := late.Wait(ctx, s.Snapshot().Revision()); err != nil {
		t.Fatal(err)
	}
	if got, want := VPCs.Len(late.Snapshot()), VPCs.Len(s.Snapshot()); got != want {
		t.Errorf("%d records, want %d", got, want)
	}
	if _, ok := VPCs.Get(late.Snapshot(), Scope{"1", "r"}, "vpc-1"); ok {
		t.Error("a removed record is still shown")
	}
	putVPC(t, s, testVPC("vpc-3")) // and the watch goes on
	if err := late.Wait(ctx, s.Snapshot().Revision()); err != nil {
		t.Fatal(err)
	}
}

func TestRevisionGoingBackEndsTheStore(t *testing.T) {
	s := openForTest(t)
	ahead := newSnapshot(s.Snapshot().revision + 1000)
	second := &Store{client: s.client, logger: s.logger, group: run.New(context.Background()), writers: semaphore.NewWeighted(writersMax)}
	second.current.Store(ahead)
	second.group.Go("store feed", second.reload)
	if err := second.Watch(t.Context()); err == nil || !strings.Contains(err.Error(), "went back") {
		t.Errorf("got %v", err)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	s := openForTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Watch(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestListsAreGuardedWithoutReadingThem(t *testing.T) {
	s := openForTest(t)
	for i := range 100 {
		putVPC(t, s, testVPC(fmt.Sprintf("vpc-%d", i)))
	}
	tx := newTx(s.Snapshot())
	for v := range VPCs.List(tx, Scope{"1", "r"}) {
		VPCs.Get(tx, Scope{"1", "r"}, v.ID)
	}
	if n := len(tx.conditions()); n != 1 {
		t.Errorf("%d conditions for one list, want 1", n)
	}
}

func TestWordsOfEtcd(t *testing.T) {
	var text strings.Builder
	logger := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelInfo}))
	for _, loudFrom := range []time.Time{{}, time.Now().Add(time.Hour)} {
		etcd := zapLogger(logger, loudFrom).With(zap.String("member", "causeway"))
		etcd.Info("daily life")
		etcd.Warn("slow disk", zap.Int("milliseconds", 900))
		etcd.Error("broken disk")
	}
	got := regexp.MustCompile(`time=\S+ `).ReplaceAllString(text.String(), "")
	want := "level=WARN msg=\"slow disk\" component=etcd member=causeway milliseconds=900\n" +
		"level=ERROR msg=\"broken disk\" component=etcd member=causeway\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Stored returns what etcd has of a table, as it is there.
func Stored(t testing.TB, s *Store, table string) (texts []string) {
	t.Helper()
	response, err := s.client.Get(t.Context(), recordPrefix+table+"/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range response.Kvs {
		texts = append(texts, string(kv.Value))
	}
	return texts
}

// CopyStored copies a record below another key, past the store.
func CopyStored(t testing.TB, s *Store, from, to string) {
	t.Helper()
	response, err := s.client.Get(t.Context(), recordPrefix+from)
	if err != nil || len(response.Kvs) != 1 {
		t.Fatalf("%d records of %s, %v", len(response.Kvs), from, err)
	}
	if _, err := s.client.Put(t.Context(), recordPrefix+to, string(response.Kvs[0].Value)); err != nil {
		t.Fatal(err)
	}
}

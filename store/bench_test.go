package store_test

import (
	"fmt"
	"log/slog"
	"testing"

	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

var sizes = []int{10, 1_000, 10_000}

// fill stores n connections in one scope and returns their ids.
func fill(b *testing.B, s *store.Store, n int) []string {
	ids := make([]string, n)
	for from := 0; from < n; from += 500 {
		update(b, s, func(tx *store.Tx) {
			for i := from; i < min(from+500, n); i++ {
				ids[i] = fmt.Sprintf("vpn-%017x", i)
				store.VPNConnections.Put(tx, resource.VPNConnection{Meta: meta(scope, ids[i]), State: resource.StateAvailable})
			}
		})
	}
	return ids
}

func BenchmarkGet(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("%d-records", n), func(b *testing.B) {
			s := storetest.Open(b)
			ids := fill(b, s, n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, ok := store.VPNConnections.Get(s.Snapshot(), scope, ids[i%n]); !ok {
					b.Fatal("not found")
				}
			}
		})
	}
}

func BenchmarkList(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("%d-records", n), func(b *testing.B) {
			s := storetest.Open(b)
			fill(b, s, n)
			b.ReportAllocs()
			for b.Loop() {
				count := 0
				for connection := range store.VPNConnections.List(s.Snapshot(), scope) {
					if connection.State == resource.StateAvailable {
						count++
					}
				}
				if count != n {
					b.Fatalf("listed %d", count)
				}
			}
		})
	}
}

// BenchmarkUpdate measures transactions that list their scope, as the rules of
// the API do, write one record, and wait for the disk.
func BenchmarkUpdate(b *testing.B) {
	for _, n := range sizes {
		for _, parallel := range []bool{false, true} {
			name := fmt.Sprintf("%d-records/one-writer", n)
			if parallel {
				name = fmt.Sprintf("%d-records/32-writers-of-own-accounts", n)
			}
			b.Run(name, func(b *testing.B) {
				s, err := store.Open(b.Context(), store.Config{Dir: b.TempDir(), Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				fill(b, s, n)
				replace := func(in store.Scope, i int) {
					update(b, s, func(tx *store.Tx) {
						for range store.VPNConnections.List(tx, in) {
						}
						store.VPNConnections.Put(tx, resource.VPNConnection{Meta: meta(in, "vpn-1"), Type: fmt.Sprint(i)})
					})
				}
				if !parallel {
					for i := 0; b.Loop(); i++ {
						replace(scope, i)
					}
					return
				}
				b.SetParallelism(16) // times two processors
				accounts := make(chan int, 1024)
				for i := range cap(accounts) {
					accounts <- i
				}
				b.RunParallel(func(pb *testing.PB) {
					in := store.Scope{Account: fmt.Sprint(<-accounts), Region: scope.Region}
					for i := 0; pb.Next(); i++ {
						replace(in, i)
					}
				})
			})
		}
	}
}

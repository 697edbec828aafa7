package nft

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Flows are counted in a table of their own, so that a change of the filter leaves
// them alone. It counts each packet once, behind all that may reject it:
//
//	account   in or out by a device that is counted? -> by its family
//	ipv4, 6   the flow's element, made where there is none, counts; where there is
//	          no room for another, the pair of devices does
//
// What has been counted is read from a table that counts no more: one transaction
// puts another in its place. So nothing is lost or told twice, whatever the kernel's
// version, and what a process that was killed has not read, the next one reads.
//
// nft's language has no keys of so many parts, therefore netlink's is spoken here.

const (
	// flowsMax bounds the flows that are told apart in one table, of each
	// family. An empty set of this size takes half a megabyte of the kernel's
	// memory. A burst of new flows may find no room before: the kernel has only
	// so many counters in stock at a time.
	flowsMax = 32_768

	// skippedMax bounds the pairs of devices for which is counted what found no
	// room.
	skippedMax = 4_096

	// flowLifetime is how long the kernel keeps a flow for a process that does
	// not come to read it. The time that is left tells when the first packet came.
	flowLifetime = 30 * 24 * time.Hour

	flowTablePrefix = tableName + "-flows-"
	flowsPriority   = 20 // behind the filter's last chain that rejects
)

// The sets of a table of flows.
const (
	countedSet = "counted" // names of devices
	skippedSet = "skipped"
)

// A family is how packets of one version of IP are told apart.
type family struct {
	set           string
	protocol      byte   // in meta nfproto
	source        uint32 // offset of both addresses in the header
	addressLength int
}

var families = []family{
	{"ipv4", unix.NFPROTO_IPV4, 12, 4},
	{"ipv6", unix.NFPROTO_IPV6, 8, 16},
}

// keyLength is that of a flow's key:
//
//	[ in 4 | out 4 | mark 4 | source | destination | ports 2+2 | protocol 4 | TCP flags 4 ]
//
// in host order up to the mark, in network order behind it.
func (f family) keyLength() int { return 24 + 2*f.addressLength }

// A FlowCount is what one flow has carried.
type FlowCount struct {
	In, Out             int    // indices of the devices
	Mark                uint32 // of the packets: plan.RejectedLeaving and -Entering, or another if they were let pass
	Source, Destination netip.Addr
	SourcePort          uint16 // 0 where the protocol has none
	DestinationPort     uint16
	Protocol            uint8
	TCPFlags            uint8 // of FIN 1, SYN 2, RST 4, ACK 16; flows that differ in them are counted apart
	Packets, Bytes      uint64
	First               time.Time // when the first packet came
}

// A Skip counts what one pair of devices carried of flows that found no room.
type Skip struct {
	In, Out int
	Packets uint64
}

// A Window is what a table of flows has counted in its time.
type Window struct {
	From    time.Time
	Devices []string // those that were counted
	Flows   []FlowCount
	Skipped []Skip

	table *nftables.Table
}

// CountsFlows reports whether the flows of these devices, and no others, are counted
// in the calling thread's network namespace, and nothing else waits to be read.
func CountsFlows(devices []string) (bool, error) {
	tables, err := flowTables()
	if err != nil {
		return false, err
	}
	if len(devices) == 0 {
		return len(tables) == 0, nil
	}
	return len(tables) == 1 && strings.HasPrefix(tables[0].Name, flowTableOf(devices)), nil
}

// TurnFlows begins a new window for the devices, none if there are none, and returns
// those that have been open until now. They stay until Forget, so that nothing is
// lost if the process dies before it has told of them.
func TurnFlows(devices []string, now time.Time) ([]Window, error) {
	ended, err := flowTables()
	if err != nil {
		return nil, err
	}
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("list chains: %w", err)
	}
	for _, t := range ended {
		conn.FlushTable(t)
		for _, c := range chains {
			if c.Table.Name == t.Name {
				conn.DelChain(c)
			}
		}
	}
	if len(devices) > 0 {
		if err := addFlowTable(conn, devices, now); err != nil {
			return nil, err
		}
	}
	if err := conn.Flush(); err != nil {
		return nil, fmt.Errorf("begin to count flows: %w", err)
	}
	windows := make([]Window, len(ended))
	for i, t := range ended {
		if windows[i], err = readWindow(t); err != nil {
			return nil, err
		}
	}
	return windows, nil
}

// Forget removes windows that have been told of.
func Forget(windows []Window) error {
	if len(windows) == 0 {
		return nil
	}
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	for _, w := range windows {
		conn.DelTable(w.table)
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("remove flows that were read: %w", err)
	}
	return nil
}

// flowTables returns the tables of flows in the calling thread's namespace.
func flowTables() ([]*nftables.Table, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	tables, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	return slices.DeleteFunc(tables, func(t *nftables.Table) bool { return !strings.HasPrefix(t.Name, flowTablePrefix) }), nil
}

// flowTableOf begins the names of tables that count these devices. The time since
// when they do, in milliseconds since 1970, follows.
func flowTableOf(devices []string) string {
	sum := sha256.Sum256([]byte(strings.Join(devices, " ")))
	return flowTablePrefix + hex.EncodeToString(sum[:8]) + "-"
}

func addFlowTable(conn *nftables.Conn, devices []string, now time.Time) error {
	table := conn.AddTable(&nftables.Table{
		Family: nftables.TableFamilyINet, Name: flowTableOf(devices) + strconv.FormatInt(now.UnixMilli(), 10),
	})
	counted := &nftables.Set{Table: table, Name: countedSet, KeyType: nftables.TypeIFName}
	var names []nftables.SetElement
	for _, d := range devices {
		names = append(names, nftables.SetElement{Key: deviceName(d)})
	}
	if err := conn.AddSet(counted, names); err != nil {
		return fmt.Errorf("name what is counted: %w", err)
	}
	skipped, err := addCounters(conn, table, skippedSet, 8, skippedMax)
	if err != nil {
		return err
	}
	priority := nftables.ChainPriority(flowsPriority)
	policy := nftables.ChainPolicyAccept
	account := conn.AddChain(&nftables.Chain{
		Name: "account", Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward, Priority: &priority, Policy: &policy,
	})
	flows := conn.AddChain(&nftables.Chain{Name: "flows", Table: table})
	for _, key := range []expr.MetaKey{expr.MetaKeyIIFNAME, expr.MetaKeyOIFNAME} {
		conn.AddRule(&nftables.Rule{Table: table, Chain: account, Exprs: []expr.Any{
			&expr.Meta{Key: key, Register: unix.NFT_REG_1},
			&expr.Lookup{SourceRegister: unix.NFT_REG_1, SetName: counted.Name, SetID: counted.ID},
			&expr.Verdict{Kind: expr.VerdictGoto, Chain: flows.Name},
		}})
	}
	for _, f := range families {
		set, err := addCounters(conn, table, f.set, f.keyLength(), flowsMax)
		if err != nil {
			return err
		}
		chain := conn.AddChain(&nftables.Chain{Name: f.set, Table: table})
		conn.AddRule(&nftables.Rule{Table: table, Chain: flows, Exprs: append(
			metaIs(expr.MetaKeyNFPROTO, f.protocol), &expr.Verdict{Kind: expr.VerdictGoto, Chain: chain.Name},
		)})
		for _, rule := range f.rules(set, skipped) {
			conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: rule})
		}
	}
	return nil
}

// addCounters adds a set whose elements are made by packets.
func addCounters(conn *nftables.Conn, table *nftables.Table, name string, keyLength int, size uint32) (*nftables.Set, error) {
	set := &nftables.Set{
		Table: table, Name: name, Dynamic: true, HasTimeout: true, Timeout: flowLifetime, Size: size,
		KeyType: nftables.SetDatatype{Name: "flow", Bytes: uint32(keyLength)},
	}
	if err := conn.AddSet(set, nil); err != nil {
		return nil, fmt.Errorf("add set %s: %w", name, err)
	}
	return set, nil
}

// rules count a packet of the family. The first that applies and finds room ends it.
func (f family) rules(set, skipped *nftables.Set) [][]expr.Any {
	count := func(s *nftables.Set) []expr.Any {
		return []expr.Any{
			&expr.Dynset{SrcRegKey: unix.NFT_REG32_00, SetName: s.Name, SetID: s.ID, Operation: unix.NFT_DYNSET_OP_ADD, Exprs: []expr.Any{&expr.Counter{}}},
			&expr.Verdict{Kind: expr.VerdictReturn},
		}
	}
	devices := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIF, Register: unix.NFT_REG32_00},
		&expr.Meta{Key: expr.MetaKeyOIF, Register: unix.NFT_REG32_01},
	}
	ports := uint32(unix.NFT_REG32_03 + 2*f.addressLength/4)
	protocol, flags := ports+1, ports+2
	packet := append(slices.Clone(devices),
		&expr.Meta{Key: expr.MetaKeyMARK, Register: unix.NFT_REG32_02},
		&expr.Payload{DestRegister: unix.NFT_REG32_03, Base: expr.PayloadBaseNetworkHeader, Offset: f.source, Len: uint32(2 * f.addressLength)},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: protocol},
	)
	loadPorts := &expr.Payload{DestRegister: ports, Base: expr.PayloadBaseTransportHeader, Len: 4}
	var rules [][]expr.Any
	rules = append(rules, slices.Concat(metaIs(expr.MetaKeyL4PROTO, unix.IPPROTO_TCP), packet, []expr.Any{
		loadPorts,
		&expr.Payload{DestRegister: flags, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
		&expr.Bitwise{SourceRegister: flags, DestRegister: flags, Len: 4, Mask: []byte{flagsCounted, 0, 0, 0}, Xor: make([]byte, 4)},
	}, count(set)))
	for _, p := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_SCTP} {
		rules = append(rules, slices.Concat(metaIs(expr.MetaKeyL4PROTO, p), packet,
			[]expr.Any{loadPorts, &expr.Immediate{Register: flags, Data: make([]byte, 4)}}, count(set)))
	}
	rules = append(rules, slices.Concat(packet,
		[]expr.Any{&expr.Immediate{Register: ports, Data: make([]byte, 4)}, &expr.Immediate{Register: flags, Data: make([]byte, 4)}}, count(set)))
	return append(rules, append(slices.Clone(devices), count(skipped)...))
}

// flagsCounted are FIN, SYN, RST and ACK.
const flagsCounted = 0x17

func metaIs(key expr.MetaKey, value byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: unix.NFT_REG_1}, &expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: []byte{value}}}
}

// deviceName is a name as the kernel compares it.
func deviceName(name string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return b
}

// readWindow reads a table that counts no more.
func readWindow(table *nftables.Table) (Window, error) {
	w := Window{table: table}
	_, since, _ := strings.Cut(strings.TrimPrefix(table.Name, flowTablePrefix), "-")
	milliseconds, err := strconv.ParseInt(since, 10, 64)
	if err != nil {
		return w, fmt.Errorf("table %q is none of ours: %w", table.Name, err)
	}
	w.From = time.UnixMilli(milliseconds)
	err = eachElement(table.Name, countedSet, unix.IFNAMSIZ, func(e element) {
		w.Devices = append(w.Devices, string(bytes.TrimRight(e.key, "\x00")))
	})
	if err != nil {
		return w, err
	}
	slices.Sort(w.Devices)
	for _, f := range families {
		now := time.Now()
		err := eachElement(table.Name, f.set, f.keyLength(), func(e element) {
			flow := f.parse(e.key)
			flow.Packets, flow.Bytes, flow.First = e.packets, e.bytes, now.Add(e.expires-flowLifetime)
			w.Flows = append(w.Flows, flow)
		})
		if err != nil {
			return w, err
		}
	}
	return w, eachElement(table.Name, skippedSet, 8, func(e element) {
		w.Skipped = append(w.Skipped, Skip{In: int(binary.NativeEndian.Uint32(e.key)), Out: int(binary.NativeEndian.Uint32(e.key[4:])), Packets: e.packets})
	})
}

// parse reads a key of keyLength.
func (f family) parse(key []byte) FlowCount {
	addresses := key[12 : 12+2*f.addressLength]
	source, _ := netip.AddrFromSlice(addresses[:f.addressLength])
	destination, _ := netip.AddrFromSlice(addresses[f.addressLength:])
	rest := key[12+2*f.addressLength:]
	return FlowCount{
		In: int(binary.NativeEndian.Uint32(key)), Out: int(binary.NativeEndian.Uint32(key[4:])), Mark: binary.NativeEndian.Uint32(key[8:]),
		Source: source, Destination: destination,
		SourcePort: binary.BigEndian.Uint16(rest), DestinationPort: binary.BigEndian.Uint16(rest[2:]),
		Protocol: rest[4], TCPFlags: rest[8],
	}
}

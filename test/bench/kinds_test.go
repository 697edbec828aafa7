package bench

import "strconv"

// A kind is what is compared: what is between the two gateways, and on which
// underlay.
type kind struct {
	name string
	peer peer // nil: the kernel forwards

	// uncut lets the underlay hand super-packets of 64 KiB over whole, as a veth
	// does by itself, which flatters all who send them. Else it cuts what leaves
	// it into packets of its MTU and gathers them again, as a network card does.
	uncut bool

	// tcpOnly leaves all but TCP out.
	tcpOnly bool

	// several is the number of TCP streams at once, each through a tunnel of its
	// own where the peer has so many; 0 is one tunnel with all kinds of load.
	several int

	// idle has only what the tunnels cost without traffic measured, when all
	// other kinds are through.
	idle bool

	// loads has the cost of a byte measured at several loads.
	loads bool
}

// The kinds that ratios speak of.
const (
	plain          = "plain"
	nullKind       = "causeway-null"
	ceilingKind    = "ceiling"
	causeway       = "causeway-gcm128"
	causeway256    = "causeway-gcm256"
	causewaySHA1   = "causeway-cbc-sha1"
	causewaySHA2   = "causeway-cbc-sha256"
	causewayESP    = "causeway-esp-gcm128"
	wireguardGo    = "wireguard-go"
	openVPN        = "openvpn-gcm128"
	openVPN256     = "openvpn-gcm256"
	strongSwan     = "strongswan-gcm128"
	strongSwan256  = "strongswan-gcm256"
	strongSwanSHA1 = "strongswan-cbc-sha1"
	strongSwanSHA2 = "strongswan-cbc-sha256"
	idleKind       = "causeway-idle-2000"
	uncut          = "-uncut"
)

const severalKind = "causeway-several-"

// severalTunnels is the product with so many tunnels.
func severalTunnels(n int) kind {
	return kind{name: severalKind + strconv.Itoa(n), peer: appliances{esp: gcm128, encap: "always", tunnels: n}, several: n}
}

const sharedKind = "causeway-one-several-"

// sharedTunnel is the product with one tunnel, and so many streams through it.
func sharedTunnel(streams int) kind {
	return kind{name: sharedKind + strconv.Itoa(streams), peer: appliances{esp: gcm128, encap: "always", tunnels: 1, shared: true}, several: streams}
}

const gcm128 = "aes128gcm16-group19"

var kinds = []kind{
	{name: plain},
	{name: ceilingKind, peer: ceiling{}},
	{name: causeway, peer: appliances{esp: gcm128, encap: "always"}, loads: true},
	{name: nullKind, peer: gateways{tunnels: 1, esp: "null"}},
	{name: wireguardGo, peer: wireguard{}},
	{name: openVPN256, peer: openvpn{cipher: "AES-256-GCM"}},
	{name: strongSwan, peer: strongswan{esp: "aes128gcm16"}},
	{name: causeway256, peer: appliances{esp: "aes256gcm16-group19", encap: "always"}},
	{name: causewaySHA1, peer: appliances{esp: "aes128-sha1-group19", encap: "always"}},
	{name: causewaySHA2, peer: appliances{esp: "aes128-sha256-group19", encap: "always"}},
	{name: causewayESP, peer: appliances{esp: gcm128, encap: "auto"}},
	{name: openVPN, peer: openvpn{cipher: "AES-128-GCM"}},
	{name: strongSwan256, peer: strongswan{esp: "aes256gcm16"}},
	{name: strongSwanSHA1, peer: strongswan{esp: "aes128-sha1"}},
	{name: strongSwanSHA2, peer: strongswan{esp: "aes128-sha256"}},
	{name: plain + "-several-1", several: 1},
	{name: plain + "-several-8", several: 8},
	{name: plain + "-several-64", several: 64},
	severalTunnels(1),
	severalTunnels(2),
	severalTunnels(8),
	severalTunnels(64),
	sharedTunnel(8),
	sharedTunnel(64),
	{name: idleKind, peer: gateways{tunnels: 2000, esp: gcm128}, several: 2000, idle: true},
	{name: plain + uncut, uncut: true, tcpOnly: true},
	{name: ceilingKind + uncut, peer: ceiling{}, uncut: true, tcpOnly: true},
	{name: causeway + uncut, peer: appliances{esp: gcm128, encap: "always"}, uncut: true, tcpOnly: true},
	{name: wireguardGo + uncut, peer: wireguard{}, uncut: true, tcpOnly: true},
}

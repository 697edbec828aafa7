package bench

// A requirement is a ratio of two kinds' figures in one round, or a figure of one
// kind.
type requirement struct {
	What  string
	of    string // kind
	than  string // kind; empty: of's figure itself
	name  string // figure
	least float64
	most  float64 // instead of least, where less is better
}

const (
	tcpRate   = "tcp_gbit_per_second"
	smallRate = "kpps_64_bytes"
)

var requirements = []requirement{
	{What: "TCP of strongSwan's", of: causeway, than: strongSwan, name: tcpRate, least: 6},
	{What: "TCP of wireguard-go's", of: causeway, than: wireguardGo, name: tcpRate, least: 2},
	{What: "TCP of the ceiling's", of: causeway, than: ceilingKind, name: tcpRate, least: 0.6},
	{What: "64-byte packets of strongSwan's", of: causeway, than: strongSwan, name: smallRate, least: 2.5},
	{What: "64-byte packets of wireguard-go's", of: causeway, than: wireguardGo, name: smallRate, least: 2},
	{What: "64-byte packets of OpenVPN's", of: causeway, than: openVPN256, name: smallRate, least: 1.5},
	{What: "TCP with AES-256-GCM of AES-128-GCM's", of: causeway256, than: causeway, name: tcpRate, least: 0.9},
	{What: "64-byte packets with AES-256-GCM of AES-128-GCM's", of: causeway256, than: causeway, name: smallRate, least: 0.9},
	{What: "TCP with AES-CBC, SHA-1 of strongSwan's", of: causewaySHA1, than: strongSwanSHA1, name: tcpRate, least: 2},
	{What: "TCP with AES-CBC, SHA2-256 of strongSwan's", of: causewaySHA2, than: strongSwanSHA2, name: tcpRate, least: 2},
	{What: "delay p50 of OpenVPN's", of: causeway, than: openVPN256, name: "delay_p50_us", most: 1},
	{What: "delay p99 of OpenVPN's", of: causeway, than: openVPN256, name: "delay_p99_us", most: 1},
	{What: "delay p99 of wireguard-go's", of: causeway, than: wireguardGo, name: "delay_p99_us", most: 1},
	{What: "delay p99 of strongSwan's", of: causeway, than: strongSwan, name: "delay_p99_us", most: 1},
	{What: "TCP in plain ESP of UDP's", of: causewayESP, than: causeway, name: tcpRate, least: 0.4},
	{What: "TCP of 2 tunnels of one's", of: severalKind + "2", than: severalKind + "1", name: tcpRate, least: 1},
	{What: "TCP of 8 tunnels of one's", of: severalKind + "8", than: severalKind + "1", name: tcpRate, least: 1},
	{What: "TCP of 64 tunnels of one's", of: severalKind + "64", than: severalKind + "1", name: tcpRate, least: 1},
	{What: "TCP of 8 tunnels of one's with 8 streams", of: severalKind + "8", than: sharedKind + "8", name: tcpRate, least: 1},
	{What: "TCP of 64 tunnels of one's with 64 streams", of: severalKind + "64", than: sharedKind + "64", name: tcpRate, least: 1},
	{What: "2 tunnels flooded: least of most", of: severalKind + "2", name: "fairness", least: 0.8},
	{What: "8 tunnels flooded: least of most", of: severalKind + "8", name: "fairness", least: 0.8},
	{What: "64 tunnels flooded: least of most", of: severalKind + "64", name: "fairness", least: 0.8},
	{What: "CPU a byte at full load of that at 1 %", of: causeway, name: "cpu_falls", most: 1},
	{What: "idle tunnel, processor, ms/s", of: causeway, name: "idle_cpu_ms_per_second", most: 1},
	{What: "2000 idle tunnels, MiB", of: idleKind, name: "resident_mib", most: 100 * 1e6 / (1 << 20)},
	{What: "2000 idle tunnels, processor, ms/s", of: idleKind, name: "idle_cpu_ms_per_second", most: 1},
}

// A ratio is what a requirement came to.
type ratio struct {
	What    string   `json:"what"`
	Least   *float64 `json:"at_least,omitempty"`
	Most    *float64 `json:"at_most,omitempty"`
	Ratio   spread   `json:"ratio"`
	Reached bool     `json:"reached"` // by the median
}

// ratios compares within each round. A requirement of which one kind was not
// measured is left out.
func ratios(rounds map[string][]measured) (all []ratio) {
	for _, r := range requirements {
		var values []float64
		for i, of := range rounds[r.of] {
			value, ok := of[r.name]
			if r.than != "" {
				if ok = ok && i < len(rounds[r.than]) && rounds[r.than][i][r.name] > 0; ok {
					value /= rounds[r.than][i][r.name]
				}
			}
			if ok {
				values = append(values, value)
			}
		}
		if len(values) == 0 {
			continue
		}
		all = append(all, r.judge(spreadOf(values)))
	}
	return all
}

func (r requirement) judge(s spread) ratio {
	if r.most > 0 {
		return ratio{What: r.What, Most: &r.most, Ratio: s, Reached: s.Median <= r.most}
	}
	return ratio{What: r.What, Least: &r.least, Ratio: s, Reached: s.Median >= r.least}
}

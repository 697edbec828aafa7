package resource

// TunnelLogOptions say whether and where a log of a tunnel goes.
type TunnelLogOptions struct {
	Enabled  bool   `json:"enabled,omitempty"`
	GroupARN string `json:"groupArn,omitempty"` // "arn:aws:logs:REGION:ACCOUNT:log-group:NAME"; required where Enabled
	Format   string `json:"format,omitempty"`   // TunnelLogJSON or TunnelLogText; "" is TunnelLogJSON
}

// Formats of a tunnel's log, in AWS's words.
const (
	TunnelLogJSON = "json"
	TunnelLogText = "text"
)

// Validate says what is wrong with the options that a caller set. Their names begin with log.
func (o TunnelLogOptions) Validate(log string) error {
	if o.Format != "" && o.Format != TunnelLogJSON && o.Format != TunnelLogText {
		return InvalidValue(log+"OutputFormat", o.Format, "Give json or text.")
	}
	if o.GroupARN != "" {
		if _, _, _, ok := o.Group(); !ok {
			return InvalidValue(log+"GroupArn", o.GroupARN, "It must be arn:aws:logs:REGION:ACCOUNT:log-group:NAME.")
		}
	} else if o.Enabled {
		return Errorf("MissingParameter", "%sEnabled needs %[1]sGroupArn, the log group that the tunnel's log goes to", log)
	}
	return nil
}

// Group takes GroupARN apart; ok is false if it has another form.
func (o TunnelLogOptions) Group() (region, account, name string, ok bool) {
	return ParseLogGroupARN(o.GroupARN)
}

// LogStream names the log stream of what IKE does, as AWS does.
func (t VPNTunnel) LogStream(connection string) string {
	return connection + "-" + t.OutsideAddress.String() + "-IKE.log"
}

// BGPLogStream names the log stream of what the BGP session does.
func (t VPNTunnel) BGPLogStream(connection string) string {
	return connection + "-" + t.OutsideAddress.String() + "-BGP.log"
}

// BGPLogResource is what the lines of that log call the tunnel, as AWS does.
func (t VPNTunnel) BGPLogResource(connection string) string {
	return connection + "_" + t.OutsideAddress.String()
}

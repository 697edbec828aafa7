package ec2

import (
	model "causeway.dev/api/model/ec2"
	"causeway.dev/resource"
)

// setTunnelLog puts what a caller set into the log options of a tunnel.
func setTunnelLog(o *resource.TunnelLogOptions, given *model.VpnTunnelLogOptionsSpecification) {
	if given == nil || given.CloudWatchLogOptions == nil {
		return
	}
	g := given.CloudWatchLogOptions
	if g.LogEnabled != nil {
		o.Enabled = *g.LogEnabled
	}
	if val(g.LogGroupArn) != "" {
		o.GroupARN = *g.LogGroupArn
	}
	if val(g.LogOutputFormat) != "" {
		o.Format = *g.LogOutputFormat
	}
}

// checkTunnelLogs looks for the log groups of the tunnels, which have to be the
// caller's own.
func (s *Service) checkTunnelLogs(w writer, tunnels ...resource.VPNTunnel) error {
	for _, t := range tunnels {
		region, account, name, ok := t.Log.Group()
		if !t.Log.Enabled || !ok {
			continue // what has no group or a malformed one is refused by the resource
		}
		found := account == w.scope.Account && region == w.scope.Region
		if found && s.config.LogGroupExists != nil {
			var err error
			if found, err = s.config.LogGroupExists(account, region, name); err != nil {
				return err
			}
		}
		if !found {
			return resource.InvalidValue("LogGroupArn", t.Log.GroupARN, "There is no such log group in this account and region.")
		}
	}
	return nil
}

// tunnelLogAnswer shows the log options of a tunnel. AWS answers them for each
// tunnel, and clients take it amiss where they are missing.
func tunnelLogAnswer(o resource.TunnelLogOptions) *model.VpnTunnelLogOptions {
	if o.Format == "" && o.GroupARN != "" {
		o.Format = resource.TunnelLogJSON
	}
	return &model.VpnTunnelLogOptions{CloudWatchLogOptions: &model.CloudWatchLogOptions{
		LogEnabled: &o.Enabled, LogGroupArn: str(o.GroupARN), LogOutputFormat: str(o.Format),
	}}
}

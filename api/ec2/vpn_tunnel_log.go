package ec2

import (
	"cmp"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/resource"
)

// setTunnelLog puts what a caller set into the log options of a tunnel.
func setTunnelLog(t *resource.VPNTunnel, given *model.VpnTunnelLogOptionsSpecification) {
	if given == nil || given.CloudWatchLogOptions == nil {
		return
	}
	g := given.CloudWatchLogOptions
	for _, log := range []struct {
		options       *resource.TunnelLogOptions
		enabled       *bool
		group, format *string
	}{{&t.Log, g.LogEnabled, g.LogGroupArn, g.LogOutputFormat}, {&t.BGPLog, g.BgpLogEnabled, g.BgpLogGroupArn, g.BgpLogOutputFormat}} {
		if log.enabled != nil {
			log.options.Enabled = *log.enabled
		}
		log.options.GroupARN = cmp.Or(val(log.group), log.options.GroupARN)
		log.options.Format = cmp.Or(val(log.format), log.options.Format)
	}
}

// checkTunnelLogs looks for the log groups of the tunnels, which have to be the
// caller's own.
func (s *Service) checkTunnelLogs(w writer, tunnels ...resource.VPNTunnel) error {
	for _, t := range tunnels {
		if err := cmp.Or(s.checkTunnelLog(w, "LogGroupArn", t.Log), s.checkTunnelLog(w, "BgpLogGroupArn", t.BGPLog)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) checkTunnelLog(w writer, member string, log resource.TunnelLogOptions) error {
	region, account, name, ok := log.Group()
	if !log.Enabled || !ok {
		return nil // what has no group or a malformed one is refused by the resource
	}
	found := account == w.scope.Account && region == w.scope.Region
	if found && s.config.LogGroupExists != nil {
		var err error
		if found, err = s.config.LogGroupExists(account, region, name); err != nil {
			return err
		}
	}
	if !found {
		return resource.InvalidValue(member, log.GroupARN, "There is no such log group in this account and region.")
	}
	return nil
}

// tunnelLogAnswer shows the log options of a tunnel. AWS answers them for each
// tunnel, and clients take it amiss where they are missing.
func tunnelLogAnswer(t *resource.VPNTunnel) *model.VpnTunnelLogOptions {
	format := func(o resource.TunnelLogOptions) *string {
		if o.GroupARN == "" {
			return str(o.Format)
		}
		return str(cmp.Or(o.Format, resource.TunnelLogJSON))
	}
	ike, bgp := t.Log, t.BGPLog
	return &model.VpnTunnelLogOptions{CloudWatchLogOptions: &model.CloudWatchLogOptions{
		LogEnabled: &ike.Enabled, LogGroupArn: str(ike.GroupARN), LogOutputFormat: format(ike),
		BgpLogEnabled: &bgp.Enabled, BgpLogGroupArn: str(bgp.GroupARN), BgpLogOutputFormat: format(bgp),
	}}
}

package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"causeway.dev/api/access"
	"causeway.dev/api/acm"
	"causeway.dev/api/causeway"
	"causeway.dev/api/ec2"
	iamapi "causeway.dev/api/iam"
	logsapi "causeway.dev/api/logs"
	"causeway.dev/api/secretsmanager"
	"causeway.dev/api/server"
	"causeway.dev/api/sts"
	"causeway.dev/capture"
	"causeway.dev/control/certificates"
	"causeway.dev/control/flowlogs"
	"causeway.dev/control/lifecycle"
	"causeway.dev/control/presharedkeys"
	"causeway.dev/control/telemetry"
	"causeway.dev/control/tunnellog"
	"causeway.dev/control/usage"
	"causeway.dev/doctor"
	"causeway.dev/instance"
	"causeway.dev/internal/run"
	"causeway.dev/internal/seal"
	"causeway.dev/internal/servers"
	"causeway.dev/logs"
	"causeway.dev/netfabric"
	"causeway.dev/node"
	"causeway.dev/packetio"
	"causeway.dev/packetio/probe"
	"causeway.dev/store"
)

const (
	// drainMax bounds how long calls under way are waited for at the end.
	drainMax = 3 * time.Second

	// headerMax bounds how long a client may take over its request's header,
	// bodyMax over all of it.
	headerMax = 10 * time.Second
	bodyMax   = 30 * time.Second

	// connectionsMax bounds the connections to the API, and addressMax those of one
	// address: before anybody has said who it is, each may hold a request's body in
	// memory. Who is refused one may try again.
	connectionsMax = 1024
	addressMax     = 512

	// answerMax bounds how long a call may take until its answer is read: one
	// that is not read takes up the place of another call.
	answerMax = 2 * time.Minute
)

// Run runs the installation until ctx ends or something in it does. Namespaces,
// instances and records outlast it; the next Run adopts them.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	if err := errors.Join(checkRights(), checkMounts()); err != nil {
		return err
	}
	data, err := openData(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer data.close(log)
	keyring, records, logStore := data.keyring, data.records, data.logs

	directory, err := loadDirectory(cfg, log)
	if err != nil {
		return err
	}
	driver, err := newDriver(cfg, log)
	if err != nil {
		return err
	}
	warnAboutLimits(cfg, driver, log)
	offloads, err := packetio.Without(cfg.OffloadsOff)
	if err != nil {
		return fmt.Errorf("offloads_off: %w", err)
	}
	guard := access.New(access.Config{Store: records, Keys: directory, Sealer: keyring})
	operations := newEC2(cfg, records, logStore, guard, driver)
	if err := operations.Upgrade(ctx, time.Now()); err != nil {
		return fmt.Errorf("upgrade the records of an earlier version: %w", err)
	}
	sources, err := cfg.Keys.sources()
	if err != nil {
		return err
	}
	group := run.New(ctx)
	seen := telemetry.New(records, log)
	tunnelLog := tunnellog.New(records, logStore, log)
	flowLog := newFlowLog(cfg, records, logStore, guard, log)
	agent := node.New(node.Config{
		Name: nodeName, Prefix: cfg.Prefix(), Underlay: cfg.Underlay(), Driver: driver, Logger: log,
		Offloads: probe.Settle(offloads, log), Lanes: cfg.Lanes, StandardAES: cfg.StandardAES, HardFail: cfg.PKI.Revocation == revocationHard,
		Forwarders: cfg.Resolver.forwarders(),
		HandOver:   cfg.handOver(), Keeper: cfg.keeper(), Report: seen.Report, Log: tunnelLog.Take,
		Flows: flowLog.Take, FlowInterval: cfg.FlowLogs.Interval,
		Credentials: instanceCredentials(guard),
	})
	listener, err := listen(cfg)
	if err != nil {
		return err
	}
	group.Go("store", records.Watch)
	telling, told := context.WithCancel(context.WithoutCancel(ctx))
	defer told()
	group.Go("node", func(ctx context.Context) error {
		defer told()
		return agent.Run(ctx)
	})
	group.Go("plan", func(ctx context.Context) error { return compile(ctx, records, agent.Set) })
	group.Go("telemetry", seen.Run)
	group.Go("lifecycle", lifecycle.New(records, log).Run)
	group.Go("usage", func(ctx context.Context) error { return usage.Forget(ctx, records, log) })
	group.Go("key uses", func(ctx context.Context) error { return guard.SaveUses(ctx, log) })
	group.Go("certificates", certificates.Keeper{Store: records, Logger: log, TunnelLifetime: cfg.PKI.TunnelCertificateLifetime, URL: cfg.PKI.URL}.Run)
	group.Go("pre-shared keys", (&presharedkeys.Fetcher{Store: records, Logger: log, Sources: sources, Refresh: cfg.Keys.Refresh, FormerKeyLifetime: cfg.FormerKeyLifetime}).Run)
	group.Go("logs", logStore.Run)
	// Its tunnels' and sessions' last words come while the node ends.
	group.Go("tunnel log", func(context.Context) error { return tunnelLog.Run(telling) })
	group.Go("flow logs", flowLog.Run)
	group.Go("control", func(ctx context.Context) error {
		return serveControl(ctx, cfg, log, controls(cfg, records, driver, agent))
	})
	group.Go("api", func(ctx context.Context) error {
		return serveAPI(ctx, cfg, log, listener, handler(cfg, log, records, writtenLogs{logStore, tunnelLog, flowLog}, guard, keyring, driver, agent, operations))
	})
	return group.Wait()
}

// nodeName names the only node.
const nodeName = "local"

// Underlay is the network that outside addresses belong to.
func (c Config) Underlay() netfabric.Underlay {
	return netfabric.Underlay{Namespace: c.Outside.Namespace, Interface: c.Outside.Interface, Label: c.Prefix(), Elastic: c.Outside.ElasticAddresses}
}

// InstancesDir is where instances keep their disks.
func (c Config) InstancesDir() string { return filepath.Join(c.DataDir, "instances") }

func newDriver(cfg Config, log *slog.Logger) (*instance.Namespaces, error) {
	return instance.NewNamespaces(instance.Options{Dir: cfg.InstancesDir(), Hide: []string{cfg.DataDir}, Logger: log, Groups: cfg.groups(), Limits: cfg.InstanceLimits.of})
}

func newFlowLog(cfg Config, records *store.Store, logStore *logs.Store, guard *access.Guard, log *slog.Logger) *flowlogs.Log {
	return flowlogs.New(flowlogs.Config{
		Records: records, Logs: logStore, Logger: log, RoleMay: guard.RoleMay, ZoneID: cfg.zoneID,
		Files: &flowlogs.Files{Buckets: cfg.FlowLogs.Buckets, Dir: filepath.Join(cfg.DataDir, "buckets"), BytesMax: int64(cfg.FlowLogs.MaxMiB) << 20},
	})
}

// controls are what commands on this host ask for.
func controls(cfg Config, records *store.Store, driver *instance.Namespaces, agent *node.Node) map[string]http.Handler {
	places := attacher{records, cfg.Prefix(), cfg.Outside.Namespace}
	return map[string]http.Handler{
		"GET " + capture.Path:      capturer(records, agent),
		"GET " + doctor.Path:       doctor.Handler(diagnoser{records, agent.Diagnose, agent.Session}.find),
		"GET " + doctor.LimitsPath: doctor.LimitsHandler(limitsOf(cfg, driver.Unlimited())),
		"GET /bill":                biller{records, cfg.prices()},
		"POST " + attachPath:       http.HandlerFunc(places.attach),
		"POST " + detachPath:       http.HandlerFunc(places.detach),
	}
}

func newEC2(cfg Config, records *store.Store, logStore *logs.Store, guard *access.Guard, driver instance.Driver) *ec2.Service {
	return ec2.New(ec2.Config{
		Store:            records,
		Regions:          cfg.ec2Regions(),
		Limits:           cfg.Limits,
		AccountLimits:    cfg.accountLimits(),
		OutsideAddresses: slices.Clone(cfg.Outside.TunnelAddresses),
		ElasticAddresses: slices.Clone(cfg.Outside.ElasticAddresses),
		IPv6Addresses:    slices.Clone(cfg.Outside.IPv6Addresses),
		DefaultVPCs:      *cfg.DefaultVPCs,
		LogGroupExists:   logGroupExists(logStore),
		ServiceMayAssume: guard.ServiceMayAssume,

		FormerKeyLifetime: cfg.FormerKeyLifetime,
		KeyReferences:     cfg.Keys.references(),
		Console:           console{driver},
		Host:              ec2.Host{Architecture: architecture(), Images: slices.Clone(cfg.Images)},
	})
}

func handler(cfg Config, log *slog.Logger, records *store.Store, written writtenLogs, guard *access.Guard, keyring *seal.Keyring, driver *instance.Namespaces, agent *node.Node, operations *ec2.Service) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), nodeMetrics{agent}, logsMetrics{written}, instanceMetrics{driver, *cfg.InstanceLimits.Enforce})
	var regions []string
	for _, r := range cfg.Regions {
		regions = append(regions, r.Name)
	}
	return server.New(server.Config{
		Lookup: guard.Lookup, Session: guard.Session, Used: guard.NoteUse, Authorize: guard.Authorize, Regions: regions, Log: log,
		Registerer: registry, Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		Pages: map[string]http.Handler{certificates.Prefix: certificates.Publish(records)},
	}, operations.Server(), sts.New(sts.Config{Store: records, Guard: guard, Sealer: keyring}).Server(), iamapi.New(iamapi.Config{Store: records, Limits: cfg.IdentityLimits, LastUse: guard.LastUse}).Server(), logsapi.New(written.store).Server(), acm.New(acm.Config{Store: records, URL: cfg.PKI.URL}).Server(),
		secretsmanager.New(secretsmanager.Config{Store: records, FormerKeyLifetime: cfg.FormerKeyLifetime, KeyReferences: cfg.Keys.references()}).Server(), causeway.New(records, cfg.prices()).Server())
}

// zoneID is the id of a zone, "use1-az1".
func (c Config) zoneID(region, zone string) string { return ec2.ZoneID(c.ec2Regions(), region, zone) }

func (c Config) ec2Regions() []ec2.Region {
	var all []ec2.Region
	for _, r := range c.Regions {
		all = append(all, ec2.Region{Name: r.Name, Zones: r.Zones})
	}
	return all
}

func (c Config) accountLimits() map[string]ec2.Limits {
	all := map[string]ec2.Limits{}
	for _, a := range c.Accounts {
		all[a.ID] = a.Limits
	}
	return all
}

// console lets the API read what instances print.
type console struct{ driver instance.Driver }

func (c console) ConsoleOutput(_ context.Context, id string) ([]byte, time.Time, error) {
	output, err := c.driver.Console(id)
	if errors.Is(err, os.ErrNotExist) {
		return nil, time.Time{}, nil
	}
	return output, time.Now(), err
}

func architecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

// listen opens the API's address.
func listen(cfg Config) (net.Listener, error) {
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the API: %w", err)
	}
	return listener, nil
}

// serveAPI serves until ctx ends, then lets calls under way finish.
func serveAPI(ctx context.Context, cfg Config, log *slog.Logger, listener net.Listener, h http.Handler) error {
	scheme := "http"
	s := newHTTPServer(h, log)
	listener = servers.Bounded(listener, servers.NewPlaces(connectionsMax, addressMax))
	if cfg.TLSCert != "" {
		scheme = "https"
		certificate, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
		if err != nil {
			return fmt.Errorf("load the API's certificate: %w", err)
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	}
	endpoint := scheme + "://" + listener.Addr().String()
	name := filepath.Join(cfg.DataDir, endpointFile)
	if err := os.WriteFile(name, []byte(endpoint+"\n"), 0o644); err != nil {
		return fmt.Errorf("write the API's address: %w", err)
	}
	defer os.Remove(name)
	warnAboutExposure(cfg, log, listener.Addr())
	log.Info("serving", "endpoint", endpoint, "data_dir", cfg.DataDir, "prefix", cfg.Prefix())

	group := run.New(ctx)
	group.Go("http", func(context.Context) error {
		if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	<-group.Context().Done()
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainMax)
	defer cancel()
	if err := s.Shutdown(draining); err != nil {
		log.Warn("calls under way were cut off", "err", err)
		_ = s.Close() // the listener is closed already
	}
	return group.Wait()
}

// newHTTPServer is a server that no client can hold up.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: headerMax, ReadTimeout: bodyMax, WriteTimeout: answerMax, IdleTimeout: 2 * time.Minute,
	}
}

// warnAboutExposure speaks up where an open API meets short secrets or no TLS.
func warnAboutExposure(cfg Config, log *slog.Logger, address net.Addr) {
	at, err := netip.ParseAddrPort(address.String())
	if err != nil || at.Addr().IsLoopback() {
		return
	}
	if cfg.TLSCert == "" {
		log.Warn("the API is reachable from other machines without TLS: set tls_cert and tls_key, or listen on loopback")
	}
	for _, a := range cfg.Accounts {
		for _, k := range a.AccessKeys {
			if len(k.Secret) < secretLengthAdvised {
				log.Warn("the API is reachable from other machines and an access key's secret is short", "key", k.ID)
			}
		}
	}
}

package serve

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"causeway.dev/internal/localapi"
	"causeway.dev/netfabric"
	"causeway.dev/netfabric/netns"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// Paths of the control socket.
const (
	attachPath = "/attach"
	detachPath = "/detach"
)

// attachMax bounds how long an attachment is waited for.
const attachMax = 30 * time.Second

// An Attachment is a network interface at a place on the host, with what is to be
// known there.
type Attachment struct {
	NetworkInterface string         `json:"networkInterface"` // "eni-…"
	Attachment       string         `json:"attachment"`       // "eni-attach-…"
	Place            resource.Place `json:"place"`
	Addresses        []netip.Prefix `json:"addresses"`            // with the length of the subnet; of IPv6 each alone
	Gateway          netip.Addr     `json:"gateway,omitzero"`     // where there is an address of IPv4
	IPv6Gateway      netip.Addr     `json:"ipv6Gateway,omitzero"` // where there is an address of IPv6
	MAC              string         `json:"mac"`
}

// Attach attaches an available network interface to a place on the host where the
// installation runs. The name of a place of the kind resource.PlaceNamespace may be
// the number of a process, whose namespace is meant then.
func Attach(ctx context.Context, cfg Config, nic string, place resource.Place) (Attachment, error) {
	var a Attachment
	answer, err := localapi.Tell(ctx, filepath.Join(cfg.DataDir, controlSocket), attachPath, url.Values{
		"interface": {nic}, "kind": {place.Kind}, "name": {place.Name}, "device": {place.Device},
	})
	if err != nil {
		return a, fmt.Errorf("attach %s: %w", nic, err)
	}
	defer answer.Close()
	return a, json.NewDecoder(answer).Decode(&a)
}

// Detach takes a network interface from the place that it is attached to.
func Detach(ctx context.Context, cfg Config, nic string) error {
	answer, err := localapi.Tell(ctx, filepath.Join(cfg.DataDir, controlSocket), detachPath, url.Values{"interface": {nic}})
	if err != nil {
		return fmt.Errorf("detach %s: %w", nic, err)
	}
	return answer.Close()
}

// An attacher attaches network interfaces to places of this host, and takes them
// away. Which are attached where is recorded, so that the next process goes on.
type attacher struct {
	records *store.Store
	prefix  string // of our own namespaces
	host    string // the namespace of the host's devices
}

// attach answers when the interface carries packets, or else leaves it as it was.
func (a attacher) attach(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	place, err := a.placeOf(q.Get("kind"), q.Get("name"), q.Get("device"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id := q.Get("interface")
	random := make([]byte, 9)
	rand.Read(random)
	attachment := "eni-attach-" + hex.EncodeToString(random)[:17]
	err = a.change(r.Context(), id, func(nic *resource.NetworkInterface) error {
		if nic.AttachmentID != "" {
			return fmt.Errorf("%s is in use already: it is attached by %s", nic.ID, nic.AttachmentID)
		}
		if err := netfabric.CheckPlace(a.host, netfabricPlace(place), nic.MAC); err != nil {
			return err
		}
		nic.Attach(attachment, time.Now())
		nic.Place = &place
		return nil
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	shown, err := a.await(r.Context(), id, attachment)
	if err != nil {
		a.forget(context.WithoutCancel(r.Context()), id, attachment)
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(shown) // the client has gone
}

// placeOf reads a place, and keeps people from our own namespaces.
func (a attacher) placeOf(kind, name, device string) (resource.Place, error) {
	place := resource.Place{Kind: kind, Name: name}
	if kind != resource.PlaceNamespace {
		return place, nil
	}
	place.Device = device
	if strings.HasPrefix(name, netfabric.NamespaceName(a.prefix, "")) {
		return place, fmt.Errorf("the network namespace %s is causeway's own: use the API's AttachNetworkInterface for instances", name)
	}
	if _, err := strconv.ParseUint(name, 10, 31); err != nil {
		return place, nil
	}
	place.Name = "/proc/" + name + "/ns/net"
	inode, err := netns.ID(place.Name)
	if err != nil {
		return place, fmt.Errorf("there is no process %s", name)
	}
	place.Inode = inode
	return place, nil
}

func netfabricPlace(p resource.Place) netfabric.Place {
	return netfabric.Place{Kind: netfabric.PlaceKind(p.Kind), Name: p.Name, Device: p.Device, Inode: p.Inode}
}

// change changes an interface of whichever account.
func (a attacher) change(ctx context.Context, id string, f func(*resource.NetworkInterface) error) error {
	return a.records.Update(ctx, func(tx *store.Tx) error {
		for nic := range store.NetworkInterfaces.All(tx) {
			if nic.ID == id {
				if err := f(&nic); err != nil {
					return err
				}
				store.NetworkInterfaces.Put(tx, nic)
				return nil
			}
		}
		return fmt.Errorf("there is no network interface %q", id)
	})
}

// await waits until an attachment stands, or a node says why it does not.
func (a attacher) await(ctx context.Context, id, attachment string) (Attachment, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, attachMax, errors.New("it was not attached in time"))
	defer cancel()
	for {
		snapshot := a.records.Snapshot()
		for status := range store.NetworkInterfaceStatuses.All(snapshot) {
			switch {
			case status.ID != id || status.Attachment != attachment:
			case status.Attached:
				return describeAttachment(snapshot, status), nil
			case status.Reason != "":
				return Attachment{}, errors.New(status.Reason)
			}
		}
		select {
		case <-ctx.Done():
			return Attachment{}, context.Cause(ctx)
		case <-a.records.Changed(snapshot.Revision()):
		}
	}
}

func describeAttachment(snapshot *store.Snapshot, status resource.NetworkInterfaceStatus) Attachment {
	scope := store.Scope{Account: status.Account, Region: status.Region}
	nic, _ := store.NetworkInterfaces.Get(snapshot, scope, status.ID)
	subnet, _ := store.Subnets.Get(snapshot, scope, nic.Subnet)
	shown := Attachment{
		NetworkInterface: nic.ID, Attachment: nic.AttachmentID, MAC: nic.MAC,
	}
	if nic.Place != nil {
		shown.Place = *nic.Place
	}
	for _, address := range nic.PrivateAddresses() {
		shown.Addresses = append(shown.Addresses, netip.PrefixFrom(address, subnet.CIDR.Bits()))
		shown.Gateway = subnet.CIDR.Masked().Addr().Next()
	}
	for _, address := range nic.IPv6 {
		shown.Addresses = append(shown.Addresses, netip.PrefixFrom(address, address.BitLen()))
		shown.IPv6Gateway = netfabric.IPv6Gateway()
	}
	return shown
}

// forget takes an attachment back that does not work.
func (a attacher) forget(ctx context.Context, id, attachment string) {
	_ = a.change(ctx, id, func(nic *resource.NetworkInterface) error { // else it stays, and says why it does not work
		if nic.AttachmentID == attachment {
			nic.Detach(time.Now())
		}
		return nil
	})
}

// detach answers when the interface is available again.
func (a attacher) detach(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("interface")
	err := a.change(r.Context(), id, func(nic *resource.NetworkInterface) error {
		if nic.Place == nil {
			return fmt.Errorf("%s is not attached to a place of this host", nic.ID)
		}
		nic.Detaching = true
		return nil
	})
	if err == nil {
		err = a.awaitAvailable(r.Context(), id)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

func (a attacher) awaitAvailable(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, attachMax, errors.New("it was not detached in time"))
	defer cancel()
	for {
		snapshot, gone := a.records.Snapshot(), true
		for nic := range store.NetworkInterfaces.All(snapshot) {
			gone = gone && (nic.ID != id || nic.Place == nil)
		}
		if gone {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-a.records.Changed(snapshot.Revision()):
		}
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"causeway.dev/resource"
	"causeway.dev/serve"
)

type attachCommand struct {
	configFlag
	NetworkInterface string `arg:"" name:"eni" help:"Network interface id, eni-…; its status must be available."`

	Netns     string `help:"A network namespace, as a container has one: its name (ip netns) or a process in it." placeholder:"NAME|PID" xor:"place"`
	Bridge    string `help:"A bridge of this host." placeholder:"NAME" xor:"place"`
	TAP       string `help:"A TAP device of this host, as a virtual machine has one." name:"tap" placeholder:"NAME" xor:"place"`
	Interface string `help:"Another device of this host, such as the network card of a LAN." placeholder:"NAME" xor:"place"`

	Device string `help:"What the interface is called in the network namespace." default:"eth0" placeholder:"NAME"`
	JSON   bool   `help:"Print JSON." name:"json"`
}

func (attachCommand) Help() string {
	return `The interface becomes in-use by "causeway-attach" and obeys its groups, network ACLs and route table there as in an instance. It stays attached
when causeway serve starts anew, until causeway detach. In a network namespace it has its address and the default route. Behind a device
whoever has its address is it: set the address and the gateway that are printed there.

Examples:
  causeway attach eni-0123456789abcdef0 --netns web
  causeway attach eni-0123456789abcdef0 --netns "$(docker inspect -f '{{.State.Pid}}' web)"
  causeway attach eni-0123456789abcdef0 --bridge br0
  causeway attach eni-0123456789abcdef0 --tap tap0
  causeway attach eni-0123456789abcdef0 --interface enp3s0`
}

// Validate asks for a place. Kong's own way to do so would have the usage ask for all
// of them.
func (c attachCommand) Validate() error {
	if c.place().Name == "" {
		return errors.New("say where: --netns, --bridge, --tap or --interface")
	}
	return nil
}

// place is the one that was chosen.
func (c attachCommand) place() resource.Place {
	switch {
	case c.Netns != "":
		return resource.Place{Kind: resource.PlaceNamespace, Name: c.Netns, Device: c.Device}
	case c.Bridge != "":
		return resource.Place{Kind: resource.PlaceBridge, Name: c.Bridge}
	case c.TAP != "":
		return resource.Place{Kind: resource.PlaceTAP, Name: c.TAP}
	default:
		return resource.Place{Kind: resource.PlaceInterface, Name: c.Interface}
	}
}

func (c attachCommand) Run(ctx context.Context, out io.Writer) error {
	cfg, err := serve.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	a, err := serve.Attach(ctx, cfg, c.NetworkInterface, c.place())
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(a)
	}
	where := a.Place.Kind + " " + a.Place.Name
	if a.Place.Device != "" {
		where += " as " + a.Place.Device
	}
	fmt.Fprintf(out, "%s is attached to %s by %s\n", a.NetworkInterface, where, a.Attachment)
	for _, address := range a.Addresses {
		fmt.Fprintf(out, "  address  %v\n", address)
	}
	if a.Gateway.IsValid() {
		fmt.Fprintf(out, "  gateway  %v\n", a.Gateway)
	}
	if a.IPv6Gateway.IsValid() {
		fmt.Fprintf(out, "  gateway  %v\n", a.IPv6Gateway)
	}
	_, err = fmt.Fprintf(out, "  mac      %s\n", a.MAC)
	return err
}

type detachCommand struct {
	configFlag
	NetworkInterface string `arg:"" name:"eni" help:"Network interface id, eni-…, that causeway attach has attached."`
}

func (detachCommand) Help() string {
	return `The interface is available again when this ends. Clients of the API do the same with DetachNetworkInterface.

Example:
  causeway detach eni-0123456789abcdef0`
}

func (c detachCommand) Run(ctx context.Context) error {
	cfg, err := serve.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	return serve.Detach(ctx, cfg, c.NetworkInterface)
}

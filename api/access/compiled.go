package access

import (
	"errors"
	"fmt"
	"strings"

	"causeway.dev/iam"
	"causeway.dev/iam/policy"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// A place is where documents are stored. The revision of its record is their
// version.
type place struct {
	table string
	scope store.Scope
	id    string
}

// compiled are the documents of a record, ready to be asked.
type compiled struct {
	revision  int64
	documents []*policy.Document
	weight    int
}

// compiledMax bounds what is kept ready, in bytes of the documents that it was read
// from: with more callers at a time than that is for, documents are read again.
// What is ready takes several times as much.
const compiledMax = 4 << 20

// recordWeight is what a record weighs besides its documents.
const recordWeight = 256

// A collector reads the policies of one caller. Its first error, which names the
// policy, ends in a denial: what can't be read could deny.
type collector struct {
	*Guard
	snapshot *store.Snapshot
	scope    store.Scope
	read     int // bytes of documents that were read
	err      error
}

// parse reads the policy that is called name. The document is nil if it can't be read.
func (c *collector) parse(name, text string, kind policy.Kind) *policy.Document {
	c.read += len(text)
	d, err := policy.Parse(text, kind)
	if err != nil {
		c.fail(name, err)
	}
	return d
}

// Why a policy can't be asked.
var (
	errGone        = errors.New("it is named, but there is none")
	errUndecodable = errors.New("what is stored of it can't be decoded")
	errNoVersion   = errors.New("it has no default version")
)

func (c *collector) fail(name string, err error) {
	if c.err == nil {
		c.err = fmt.Errorf("%s can't be read: %w", name, err)
	}
}

// find returns the record that a caller's policies are in. One that is named and not
// there is an error: nothing can be deleted while it is named, so it was lost.
func find[T any](c *collector, table *store.Table[T], id, name string) (T, bool) {
	v, ok := table.Get(c.snapshot, c.scope, id)
	switch {
	case ok:
	case table.RecordRevision(c.snapshot, c.scope, id) != 0:
		c.fail(name, errUndecodable)
	default:
		c.fail(name, errGone)
	}
	return v, ok
}

// ready returns the documents of a record, parsed if it is another one than before.
func (c *collector) ready(at place, revision int64, parse func() []*policy.Document) []*policy.Document {
	c.mu.Lock()
	found, ok := c.compiled[at]
	c.mu.Unlock()
	if ok && found.revision == revision {
		return found.documents
	}
	c.read = 0
	documents := parse()
	found = compiled{revision, documents, recordWeight + c.read}
	if c.err != nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.weight += found.weight - c.compiled[at].weight
	if c.weight > compiledMax {
		clear(c.compiled)
		c.weight = found.weight
	}
	c.compiled[at] = found
	return found.documents
}

// collectFrom returns an identity's own policies and those attached to it.
func collectFrom[T any](c *collector, table *store.Table[T], i *resource.Identity) []*policy.Document {
	own := c.ready(place{table.Name(), c.scope, i.ID}, table.RecordRevision(c.snapshot, c.scope, i.ID), func() []*policy.Document {
		var documents []*policy.Document
		for _, p := range i.Inline {
			documents = append(documents, c.parse(fmt.Sprintf("policy %s of %s %s", p.Name, strings.TrimSuffix(table.Name(), "s"), i.Name), p.Document, policy.Inline))
		}
		return documents
	})
	return append(c.managed(i.Attached), own...)
}

// managed returns the documents of managed policies.
func (c *collector) managed(arns []string) []*policy.Document {
	var documents []*policy.Document
	for _, arn := range arns {
		if text, ok := iam.ManagedPolicy(arn); ok {
			documents = append(documents, c.ready(place{table: arn}, 0, func() []*policy.Document {
				return []*policy.Document{c.parse("policy "+arn, text, policy.Managed)}
			})...)
			continue
		}
		_, _, name, _ := resource.ParsePolicyARN(arn)
		p, ok := find(c, store.Policies, resource.IdentityID(name), "policy "+arn)
		switch {
		case !ok:
			continue
		case p.ARN() != arn:
			c.fail("policy "+arn, errGone)
			continue
		}
		revision := store.Policies.RecordRevision(c.snapshot, c.scope, p.ID)
		documents = append(documents, c.ready(place{store.Policies.Name(), c.scope, p.ID}, revision, func() []*policy.Document {
			v := p.Version(p.Default)
			if v == nil {
				c.fail("policy "+arn, errNoVersion)
				return nil
			}
			return []*policy.Document{c.parse("policy "+arn, v.Document, policy.Managed)}
		})...)
	}
	return documents
}

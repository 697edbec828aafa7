package access

import (
	"fmt"

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

// A collector reads the policies of one caller. Its first error ends in a call
// that fails: what can't be read could be a denial.
type collector struct {
	*Guard
	snapshot *store.Snapshot
	scope    store.Scope
	read     int // bytes of documents that were read
	err      error
}

func (c *collector) parse(text string, kind policy.Kind) *policy.Document {
	c.read += len(text)
	d, err := policy.Parse(text, kind)
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("read a stored policy of account %s: %w", c.scope.Account, err)
	}
	return d
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
	if i.ID == "" {
		return nil
	}
	own := c.ready(place{table.Name(), c.scope, i.ID}, table.RecordRevision(c.snapshot, c.scope, i.ID), func() []*policy.Document {
		var documents []*policy.Document
		for _, p := range i.Inline {
			documents = append(documents, c.parse(p.Document, policy.Inline))
		}
		return documents
	})
	return append(c.managed(i.Attached), own...)
}

// managed returns the documents of managed policies. One that is gone allows
// nothing.
func (c *collector) managed(arns []string) []*policy.Document {
	var documents []*policy.Document
	for _, arn := range arns {
		if text, ok := iam.ManagedPolicy(arn); ok {
			documents = append(documents, c.ready(place{table: arn}, 0, func() []*policy.Document {
				return []*policy.Document{c.parse(text, policy.Managed)}
			})...)
			continue
		}
		_, _, name, ok := resource.ParsePolicyARN(arn)
		p, found := store.Policies.Get(c.snapshot, c.scope, resource.IdentityID(name))
		if !ok || !found || p.ARN() != arn {
			continue
		}
		revision := store.Policies.RecordRevision(c.snapshot, c.scope, p.ID)
		documents = append(documents, c.ready(place{store.Policies.Name(), c.scope, p.ID}, revision, func() []*policy.Document {
			return []*policy.Document{c.parse(p.Version(p.Default).Document, policy.Managed)}
		})...)
	}
	return documents
}

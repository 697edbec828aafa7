package logs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// bbolt believes its file: where a page is spoilt it panics, in goroutines of its own
// too, reads beyond its memory or goes round in circles, none of which can be caught.
// So the file is looked through before bbolt gets it: with what is laid down here, the
// layout of bbolt's version 2, every page is what bbolt takes it for.
//
//	page     [ id 8 | flags 2 | count 2 | overflow 4 ] elements, keys and values
//	branch   count × [ position 4 | key's length 4 | page 8 ]
//	leaf     count × [ flags 4 | position 4 | key's length 4 | value's length 4 ]
//	bucket   [ root page 8 | sequence 8 ] and, where the root is 0, a leaf page inline
//	meta     a page with [ magic 4 | version 4 | page size 4 | flags 4 | bucket 16 | freelist 8 | pages 8 | transaction 8 | checksum 8 ]
//
// Positions count from the element. Numbers are in the processor's order.
const (
	pageHeader   = 16
	elementSize  = 16
	bucketHeader = 16
	metaSize     = 64

	boltMagic   = 0xED0CDAED
	boltVersion = 2

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketEntry  = 0x01

	noFreelist    = 1<<64 - 1
	manyFree      = 0xffff // the count is too large for its field: it stands before the list
	pageSizeMin   = 1 << 10
	pageSizeMax   = 1 << 24
	pageDepthMax  = 64 // of pages below a bucket's root: more than 2^64 pages have
	bucketNesting = 4  // of buckets in buckets; ours are two

	// pageBytesMax bounds a page with what it overflows into: bbolt divides pages of
	// more than a few entries, and an event has a megabyte at most.
	pageBytesMax = 64 << 20
)

var order = binary.NativeEndian

// checkFile says why a file is no sound bbolt database, or why one of its events is no
// event of ours.
func checkFile(file io.ReaderAt, size int64) error {
	m, err := newestMeta(file, size)
	if err != nil {
		return err
	}
	if m.pages < 3 || m.pages > uint64(size)/m.pageSize {
		return fmt.Errorf("there are %d pages of %d bytes in %d bytes", m.pages, m.pageSize, size)
	}
	c := checker{file: file, meta: m, seen: make([]uint64, m.pages/64+1)}
	if m.freelist != noFreelist {
		if err := c.freelist(); err != nil {
			return fmt.Errorf("freelist: %w", err)
		}
	}
	return c.tree(m.root, nil, nil, nil, 0)
}

// A boltMeta is what is used of a meta page.
type boltMeta struct {
	pageSize, root, freelist, pages, transaction uint64
}

// newestMeta finds the meta page that bbolt takes: of those whose checksum is right the
// one of the later transaction.
func newestMeta(file io.ReaderAt, size int64) (newest boltMeta, err error) {
	first, firstErr := readMeta(file, 0)
	if firstErr == nil {
		if second, err := readMeta(file, int64(first.pageSize)); err == nil && second.transaction > first.transaction {
			if second.pageSize != first.pageSize {
				return boltMeta{}, errors.New("the meta pages are of two page sizes")
			}
			return second, nil
		}
		return first, nil
	}
	for at := int64(pageSizeMin); at <= pageSizeMax && at < size; at *= 2 {
		if second, err := readMeta(file, at); err == nil && second.pageSize == uint64(at) {
			return second, nil
		}
	}
	return boltMeta{}, firstErr
}

func readMeta(file io.ReaderAt, at int64) (m boltMeta, err error) {
	var page [pageHeader + metaSize]byte
	if _, err := file.ReadAt(page[:], at); err != nil {
		return m, fmt.Errorf("read a meta page: %w", err)
	}
	b := page[pageHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8]) // never fails
	if order.Uint32(b) != boltMagic || order.Uint32(b[4:]) != boltVersion || order.Uint64(b[metaSize-8:]) != sum.Sum64() {
		return m, errors.New("there is no whole meta page")
	}
	m = boltMeta{
		pageSize: uint64(order.Uint32(b[8:])), root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]),
		pages: order.Uint64(b[40:]), transaction: order.Uint64(b[48:]),
	}
	if m.pageSize < pageSizeMin || m.pageSize > pageSizeMax || m.pageSize&(m.pageSize-1) != 0 {
		return m, fmt.Errorf("pages of %d bytes", m.pageSize)
	}
	return m, nil
}

// A checker goes through the pages of a file.
type checker struct {
	file io.ReaderAt
	meta boltMeta
	seen []uint64 // a bit for each page
}

// page reads a page with what it overflows into, none of which may belong to another.
func (c *checker) page(id uint64) ([]byte, error) {
	header := make([]byte, c.meta.pageSize)
	if err := c.read(header, id); err != nil {
		return nil, err
	}
	if is := order.Uint64(header); is != id {
		return nil, fmt.Errorf("page %d says it is page %d", id, is)
	}
	more := uint64(order.Uint32(header[12:]))
	if id+more >= c.meta.pages || more > pageBytesMax/c.meta.pageSize {
		return nil, fmt.Errorf("page %d goes on for %d pages of %d", id, more, c.meta.pages)
	}
	for i := id; i <= id+more; i++ {
		if c.seen[i/64]&(1<<(i%64)) != 0 {
			return nil, fmt.Errorf("page %d has two owners", i)
		}
		c.seen[i/64] |= 1 << (i % 64)
	}
	if more == 0 {
		return header, nil
	}
	whole := make([]byte, c.meta.pageSize*(more+1))
	return whole, c.read(whole, id)
}

func (c *checker) read(b []byte, id uint64) error {
	if id < 2 || id >= c.meta.pages {
		return fmt.Errorf("page %d is not between 2 and %d", id, c.meta.pages)
	}
	if _, err := c.file.ReadAt(b, int64(id*c.meta.pageSize)); err != nil {
		return fmt.Errorf("read page %d: %w", id, err)
	}
	return nil
}

// freelist looks at the list of free pages, which are none that anything is in.
func (c *checker) freelist() error {
	p, err := c.page(c.meta.freelist)
	if err != nil {
		return err
	}
	count, list := uint64(order.Uint16(p[10:])), p[pageHeader:]
	if count == manyFree {
		count, list = order.Uint64(list), list[8:]
	}
	if order.Uint16(p[8:]) != freelistPage || count > uint64(len(list)/8) {
		return fmt.Errorf("page %d is no list of %d pages", c.meta.freelist, count)
	}
	for i := range count {
		id := order.Uint64(list[8*i:])
		if id < 2 || id >= c.meta.pages || c.seen[id/64]&(1<<(id%64)) != 0 {
			return fmt.Errorf("page %d is not free", id)
		}
		c.seen[id/64] |= 1 << (id % 64)
	}
	return nil
}

// tree looks at a page of the bucket at a path of keys and at all below it, whose keys
// are not before from and before to; nil sets no bound.
func (c *checker) tree(id uint64, path [][]byte, from, to []byte, depth int) error {
	p, err := c.page(id)
	if err != nil {
		return err
	}
	if depth > pageDepthMax {
		return fmt.Errorf("page %d is %d pages below its root", id, depth)
	}
	switch order.Uint16(p[8:]) {
	case leafPage:
		return c.leaf(p, path, from, to)
	case branchPage:
		return c.branch(p, path, from, to, depth)
	}
	return fmt.Errorf("page %d is neither branch nor leaf", id)
}

func (c *checker) branch(p []byte, path [][]byte, from, to []byte, depth int) error {
	count := int(order.Uint16(p[10:]))
	if count == 0 {
		return fmt.Errorf("page %d leads nowhere", order.Uint64(p))
	}
	keys := make([][]byte, count, count+1)
	last := from
	for i := range keys {
		element, err := elementAt(p, i, count)
		if err != nil {
			return err
		}
		if keys[i], _, err = part(element, order.Uint32(element), order.Uint32(element[4:]), 0); err != nil {
			return err
		}
		if err := inOrder(keys[i], last, i > 0, to); err != nil {
			return fmt.Errorf("page %d: %w", order.Uint64(p), err)
		}
		last = keys[i]
	}
	keys = append(keys, to)
	for i := range count {
		element, _ := elementAt(p, i, count) // which went well above
		if err := c.tree(order.Uint64(element[8:]), path, keys[i], keys[i+1], depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) leaf(p []byte, path [][]byte, from, to []byte) error {
	count := int(order.Uint16(p[10:]))
	last := from
	for i := range count {
		element, err := elementAt(p, i, count)
		if err != nil {
			return err
		}
		flags := order.Uint32(element)
		key, value, err := part(element, order.Uint32(element[4:]), order.Uint32(element[8:]), order.Uint32(element[12:]))
		if err == nil {
			err = inOrder(key, last, i > 0, to)
		}
		if err == nil && flags > bucketEntry {
			err = fmt.Errorf("an entry with flags %x", flags)
		}
		if err == nil {
			err = checkEntry(path, key, value, flags == bucketEntry)
		}
		if err != nil {
			return fmt.Errorf("page %d: %w", order.Uint64(p), err)
		}
		last = key
		if flags == bucketEntry {
			if err := c.bucket(value, append(path[:len(path):len(path)], key)); err != nil {
				return err
			}
		}
	}
	return nil
}

// bucket looks at the value of a bucket.
func (c *checker) bucket(value []byte, path [][]byte) error {
	if len(value) < bucketHeader || len(path) > bucketNesting {
		return fmt.Errorf("bucket %q has %d bytes, %d buckets deep", path, len(value), len(path))
	}
	if root := order.Uint64(value); root != 0 {
		return c.tree(root, path, nil, nil, 0)
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || order.Uint16(inline[8:]) != leafPage || order.Uint64(inline) != 0 || order.Uint32(inline[12:]) != 0 {
		return fmt.Errorf("bucket %q holds no leaf", path)
	}
	for i := range int(order.Uint16(inline[10:])) {
		element, err := elementAt(inline, i, int(order.Uint16(inline[10:])))
		if err != nil {
			return err
		}
		if order.Uint32(element) != 0 {
			return fmt.Errorf("bucket %q has a bucket inside, inline", path)
		}
	}
	return c.leaf(inline, path, nil, nil)
}

// elementAt returns a page from one of its elements on.
func elementAt(p []byte, i, count int) ([]byte, error) {
	if pageHeader+elementSize*count > len(p) {
		return nil, fmt.Errorf("page %d of %d bytes has %d elements", order.Uint64(p), len(p), count)
	}
	return p[pageHeader+elementSize*i:], nil
}

// part returns the key and the value at a position of an element.
func part(element []byte, position, keyLength, valueLength uint32) (key, value []byte, err error) {
	end := uint64(position) + uint64(keyLength)
	if keyLength == 0 || position < elementSize || end+uint64(valueLength) > uint64(len(element)) {
		return nil, nil, fmt.Errorf("an element of %d and %d bytes at %d of %d", keyLength, valueLength, position, len(element))
	}
	return element[position:end], element[end : end+uint64(valueLength)], nil
}

// inOrder compares a key with the one before, which it follows or, if it is the first
// on its page, may equal; and with the bound of all.
func inOrder(key, last []byte, follows bool, to []byte) error {
	if order := bytes.Compare(key, last); last != nil && (order < 0 || order == 0 && follows) || to != nil && bytes.Compare(key, to) >= 0 {
		return fmt.Errorf("key %q is out of its order", key)
	}
	return nil
}

// checkEntry looks at what stands in one of our buckets: events are taken apart without
// another look.
func checkEntry(path [][]byte, key, value []byte, bucket bool) error {
	const idLen, positionLen = 8, 16
	ours := true
	switch {
	case len(path) == 0:
		ours = bucket
	case bytes.Equal(path[0], eventsBucket) && len(path) == 1:
		ours = bucket && len(key) == idLen
	case bytes.Equal(path[0], eventsBucket):
		ours = !bucket && len(key) == positionLen && len(value) >= eventHeader
	case bytes.Equal(path[0], ownersBucket):
		ours = !bucket && len(key) == idLen
	case bytes.Equal(path[0], streamsBucket):
		ours = !bucket && len(key) > idLen
	case bytes.Equal(path[0], groupsBucket):
		ours = !bucket
	}
	if !ours {
		return fmt.Errorf("an entry of %d and %d bytes in %q is none of a log store", len(key), len(value), path)
	}
	return nil
}

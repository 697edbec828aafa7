package engine

import (
	"encoding/binary"
	"io"

	"causeway.dev/ike"
)

// OwnSPIs are the SPIs of an engine that is alone, or of several that share them.
type OwnSPIs map[ike.SPI]struct{}

// Reserve takes an SPI, or returns false if it is in use.
func (o OwnSPIs) Reserve(spi ike.SPI) bool {
	if _, used := o[spi]; used {
		return false
	}
	o[spi] = struct{}{}
	return true
}

// Release gives an SPI back.
func (o OwnSPIs) Release(spi ike.SPI) { delete(o, spi) }

// SPIReservedMax is the highest SPI that no SA may have. RFC 4303 section 2.1.
const SPIReservedMax = 255

// spiDrawsMax ends the search of a free SPI: with a million SAs a draw fails once
// in four thousand.
const spiDrawsMax = 1000

// DrawSPI reserves an SPI for an inbound ESP SA.
func DrawSPI(rand io.Reader, spis ike.SPIs) ike.SPI {
	for range spiDrawsMax {
		spi := ike.SPI(binary.BigEndian.Uint32(Random(rand, 4)))
		if spi > SPIReservedMax && spis.Reserve(spi) {
			return spi
		}
	}
	panic("IKE: no SPI is free")
}

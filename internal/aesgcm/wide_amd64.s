//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// AES-GCM (NIST SP 800-38D) with the 256-bit forms of AESENC and PCLMULQDQ: two
// blocks an instruction, eight blocks (a group, 128 octets) a turn.
//
// Counters. A counter block is nonce ‖ 32-bit counter, big endian. Read backwards
// as one little-endian number its lowest 32 bits are the counter, so that VPADDD
// counts, and wraps as SP 800-38D's inc32 does; VPSHUFB turns it round again.
//
// GHASH is arithmetic in GF(2^128) modulo P = x^128 + x^7 + x^2 + x + 1, where the
// first bit of a block is the coefficient of x^0. Turned round (bytes by VPSHUFB;
// the bits in a byte are so already) a block is a 128-bit number whose bit 127-i is
// the coefficient of x^i. Of two such numbers PCLMULQDQ makes one of 255 bits with
// bit 254-i for x^i. So that the result may be taken as 256 bits with bit 255-i for
// x^i, which is x times as much, the powers of H are kept divided by x.
//
// Multiplication is Karatsuba's. With a = a1·2^64 + a0, h = h1·2^64 + h0,
//
//	low = a0·h0    high = a1·h1    middle = (a0+a1)·(h0+h1) + low + high
//	a·h = high·2^128 + middle·2^64 + low
//
// and sums are XORs. h0+h1 is the same for all packets and kept beside h, in both
// of its halves. Products are summed, and the sum is reduced once a group:
//
//	Y = (Y+C1)·H^8 + C2·H^7 + ... + C8·H
//
// Reduction. P, turned round as a number of 129 bits, is 1 + 2^64·p + 2^128 with
// p = 0xc200000000000000: bits 121, 126, 127 stand for x^7, x^2, x. Adding the
// lowest 64 bits l of the number times P changes nothing modulo P, and leaves 64
// zeros at the low end to be dropped: above them l·p is added at 2^64 and
// l at 2^128. Done twice, 128 bits remain:
//
//	M      = middle + swap(low) + low[0]·p       swap exchanges the two halves:
//	result = high   + swap(M)   + M[0]·p         what was at 2^64 stays there, l goes to 2^128
//
// A register holds such sums for even blocks in its lower and for odd blocks in its
// upper 128 bits. The two are added last.
//
// Time depends on lengths and on the number of rounds, never on keys or data: no
// branch and no address is made of them.
//
//	DI  schedule (go_asm.h has its offsets)
//	R10 the round key ten before the last      SI, DX, CX  source, destination, octets left
//	Y0-Y3   eight blocks on their way through AES        Y4  round key
//	Y5, Y6, Y7  sums of low, middle with low and high, high
//	Y8, Y9, Y10 scratch                        Y11 order of bytes turned round
//	Y12 the next two counter blocks, turned round        Y13 the tag's mask, E(K, J0)
//	Y14 p in the lower half of each 128 bits   Y15 GHASH so far, upper 128 bits zero

DATA turn<>+0(SB)/8, $0x08090a0b0c0d0e0f
DATA turn<>+8(SB)/8, $0x0001020304050607
DATA turn<>+16(SB)/8, $0x08090a0b0c0d0e0f
DATA turn<>+24(SB)/8, $0x0001020304050607
GLOBL turn<>(SB), RODATA|NOPTR, $32

DATA reduction<>+0(SB)/8, $0xc200000000000000
DATA reduction<>+8(SB)/8, $0
DATA reduction<>+16(SB)/8, $0xc200000000000000
DATA reduction<>+24(SB)/8, $0
GLOBL reduction<>(SB), RODATA|NOPTR, $32

DATA one_two<>+0(SB)/8, $1
DATA one_two<>+8(SB)/8, $0
DATA one_two<>+16(SB)/8, $2
DATA one_two<>+24(SB)/8, $0
GLOBL one_two<>(SB), RODATA|NOPTR, $32

DATA two_two<>+0(SB)/8, $2
DATA two_two<>+8(SB)/8, $0
DATA two_two<>+16(SB)/8, $2
DATA two_two<>+24(SB)/8, $0
GLOBL two_two<>(SB), RODATA|NOPTR, $32

// From octet 16-n on: n octets of ones, then zeros.
DATA keep<>+0(SB)/8, $0xffffffffffffffff
DATA keep<>+8(SB)/8, $0xffffffffffffffff
DATA keep<>+16(SB)/8, $0
DATA keep<>+24(SB)/8, $0
GLOBL keep<>(SB), RODATA|NOPTR, $32

// POWERS: H^e and H^(e-1), for an even and the odd block behind it; SUMS: their h0+h1.
// Behind H^1 follows something else, for a block of zeros.
#define POWERS(e) (schedule_powers+16*(10-e))(DI)
#define SUMS(e) (schedule_sums+16*(10-e))(DI)

// COUNTERS: the next eight counter blocks, with the first round key.
#define COUNTERS \
	VBROADCASTI128 schedule_roundKeys(DI), Y4             \
	VPSHUFB        Y11, Y12, Y0            \
	VPADDD         two_two<>(SB), Y12, Y12 \
	VPSHUFB        Y11, Y12, Y1            \
	VPADDD         two_two<>(SB), Y12, Y12 \
	VPSHUFB        Y11, Y12, Y2            \
	VPADDD         two_two<>(SB), Y12, Y12 \
	VPSHUFB        Y11, Y12, Y3            \
	VPADDD         two_two<>(SB), Y12, Y12 \
	VPXOR          Y4, Y0, Y0              \
	VPXOR          Y4, Y1, Y1              \
	VPXOR          Y4, Y2, Y2              \
	VPXOR          Y4, Y3, Y3

// ROUND: one round of AES on all eight blocks.
#define ROUND(key) \
	VBROADCASTI128 key, Y4    \
	VAESENC        Y4, Y0, Y0 \
	VAESENC        Y4, Y1, Y1 \
	VAESENC        Y4, Y2, Y2 \
	VAESENC        Y4, Y3, Y3

// MORE_ROUNDS: what AES-192 and -256 have before the last ten, two and four.
#define MORE_ROUNDS(next, done) \
	LEAQ schedule_roundKeys(DI), R12 \
next:              \
	CMPQ R12, R10 \
	JEQ  done     \
	ADDQ $16, R12 \
	ROUND((R12))  \
	JMP  next     \
done:

// LAST_ROUND ends AES; what is to be encrypted or decrypted is added to the round
// key first, which has the same effect.
#define LAST_ROUND \
	VBROADCASTI128 160(R10), Y4   \
	VPXOR          (SI), Y4, Y8   \
	VPXOR          32(SI), Y4, Y9 \
	VAESENCLAST    Y8, Y0, Y0     \
	VAESENCLAST    Y9, Y1, Y1     \
	VPXOR          64(SI), Y4, Y8 \
	VPXOR          96(SI), Y4, Y9 \
	VAESENCLAST    Y8, Y2, Y2     \
	VAESENCLAST    Y9, Y3, Y3

#define STORE \
	VMOVDQU Y0, (DX)   \
	VMOVDQU Y1, 32(DX) \
	VMOVDQU Y2, 64(DX) \
	VMOVDQU Y3, 96(DX)

// HASH_START: nothing is summed yet.
#define HASH_START \
	VPXOR Y5, Y5, Y5 \
	VPXOR Y6, Y6, Y6 \
	VPXOR Y7, Y7, Y7

// HASH_LOAD: two blocks of ciphertext, turned round.
#define HASH_LOAD(blocks) \
	VMOVDQU blocks, Y8   \
	VPSHUFB Y11, Y8, Y8

// HASH_ENDS: low and high products of two blocks and two powers.
#define HASH_ENDS(powers) \
	VPCLMULQDQ $0x00, powers, Y8, Y9  \
	VPCLMULQDQ $0x11, powers, Y8, Y10 \
	VPXOR      Y9, Y5, Y5             \
	VPXOR      Y10, Y7, Y7

// HASH_MIDDLE: the products of the sums of halves.
#define HASH_MIDDLE(sums) \
	VPSHUFD    $0x4e, Y8, Y9       \
	VPXOR      Y8, Y9, Y9          \
	VPCLMULQDQ $0x00, sums, Y9, Y9 \
	VPXOR      Y9, Y6, Y6

// REDUCE: Y15 is the sum modulo P.
#define REDUCE \
	VPCLMULQDQ   $0x00, Y14, Y5, Y10 \
	VPXOR        Y5, Y6, Y6          \
	VPXOR        Y7, Y6, Y6          \
	VPSHUFD      $0x4e, Y5, Y9       \
	VPXOR        Y9, Y6, Y6          \
	VPXOR        Y10, Y6, Y6         \
	VPCLMULQDQ   $0x00, Y14, Y6, Y10 \
	VPSHUFD      $0x4e, Y6, Y9       \
	VPXOR        Y9, Y7, Y7          \
	VPXOR        Y10, Y7, Y7         \
	VEXTRACTI128 $1, Y7, X9          \
	VPXOR        X9, X7, X15

// HASH_GROUP: GHASH over the group at R9.
#define HASH_GROUP \
	HASH_START            \
	HASH_LOAD((R9))       \
	VPXOR Y15, Y8, Y8     \
	HASH_ENDS(POWERS(8))   \
	HASH_MIDDLE(SUMS(8))  \
	HASH_LOAD(32(R9))     \
	HASH_ENDS(POWERS(6))   \
	HASH_MIDDLE(SUMS(6))  \
	HASH_LOAD(64(R9))     \
	HASH_ENDS(POWERS(4))   \
	HASH_MIDDLE(SUMS(4))  \
	HASH_LOAD(96(R9))     \
	HASH_ENDS(POWERS(2))  \
	HASH_MIDDLE(SUMS(2))  \
	REDUCE

// ROUNDS_AND_HASH_GROUP: HASH_GROUP and the rounds of eight other blocks beside one
// another, all but the last round.
#define ROUNDS_AND_HASH_GROUP \
	HASH_START            \
	HASH_LOAD((R9))       \
	VPXOR Y15, Y8, Y8     \
	ROUND(16(R10))        \
	HASH_ENDS(POWERS(8))   \
	ROUND(32(R10))        \
	HASH_MIDDLE(SUMS(8))  \
	ROUND(48(R10))        \
	HASH_LOAD(32(R9))     \
	HASH_ENDS(POWERS(6))   \
	ROUND(64(R10))        \
	HASH_MIDDLE(SUMS(6))  \
	ROUND(80(R10))        \
	HASH_LOAD(64(R9))     \
	HASH_ENDS(POWERS(4))   \
	ROUND(96(R10))        \
	HASH_MIDDLE(SUMS(4))  \
	ROUND(112(R10))       \
	HASH_LOAD(96(R9))     \
	HASH_ENDS(POWERS(2))  \
	ROUND(128(R10))       \
	HASH_MIDDLE(SUMS(2))  \
	ROUND(144(R10))       \
	REDUCE

#define ROUNDS \
	ROUND(16(R10))  \
	ROUND(32(R10))  \
	ROUND(48(R10))  \
	ROUND(64(R10))  \
	ROUND(80(R10))  \
	ROUND(96(R10))  \
	ROUND(112(R10)) \
	ROUND(128(R10)) \
	ROUND(144(R10))

// START: constants, J0 in Y13, the counter blocks behind it in Y12, and GHASH of the
// authenticated data, one block that comes turned round already: AX its upper, BX its
// lower half. R8 points to the nonce, R9 is J0's counter.
#define START \
	VMOVDQU     turn<>(SB), Y11           \
	VMOVDQU     reduction<>(SB), Y14      \
	BSWAPL      R9                        \
	VMOVQ       (R8), X13                 \
	VPINSRD     $2, 8(R8), X13, X13       \
	VPINSRD     $3, R9, X13, X13          \
	VPSHUFB     X11, X13, X12             \
	VINSERTI128 $1, X12, Y12, Y12         \
	VPADDD      one_two<>(SB), Y12, Y12   \
	MOVQ        schedule_rounds(DI), R10              \
	SHLQ        $4, R10                   \
	LEAQ        (schedule_roundKeys-160)(DI)(R10*1), R10       \
	VMOVQ       BX, X8                    \
	VPINSRQ     $1, AX, X8, X8            \
	HASH_START                            \
	HASH_ENDS(POWERS(1))                    \
	HASH_MIDDLE(SUMS(1))                  \
	REDUCE

// TAIL_START: the key stream of the fewer than 128 octets that are left, in Y0 to Y3,
// and the tag's mask. R11 becomes the place of their first block's power: with
// t = 0 to 8 blocks and the block of lengths behind them it is H^(t+1).
#define TAIL_ROUND(key) \
	ROUND(key)           \
	VAESENC Y4, Y13, Y13

#define TAIL_START(next, done) \
	COUNTERS                           \
	VPXOR          Y4, Y13, Y13        \
	LEAQ           schedule_roundKeys(DI), R12        \
next:                               \
	CMPQ           R12, R10            \
	JEQ            done                \
	ADDQ           $16, R12            \
	TAIL_ROUND((R12))                  \
	JMP            next                \
done:                               \
	TAIL_ROUND(16(R10))                \
	TAIL_ROUND(32(R10))                \
	TAIL_ROUND(48(R10))                \
	TAIL_ROUND(64(R10))                \
	TAIL_ROUND(80(R10))                \
	TAIL_ROUND(96(R10))                \
	TAIL_ROUND(112(R10))               \
	TAIL_ROUND(128(R10))               \
	TAIL_ROUND(144(R10))               \
	VBROADCASTI128 160(R10), Y4        \
	VAESENCLAST    Y4, Y0, Y0          \
	VAESENCLAST    Y4, Y1, Y1          \
	VAESENCLAST    Y4, Y2, Y2          \
	VAESENCLAST    Y4, Y3, Y3          \
	VAESENCLAST    Y4, Y13, Y13        \
	LEAQ           15(CX), AX          \
	ANDQ           $-16, AX            \
	LEAQ           (16*9)(DI), R11        \
	SUBQ           AX, R11

// TAIL_HASH: GHASH over the ciphertext in Y8, of one or two blocks; a block that is
// not there is zero, and so is its product, whatever lies at the place of its power.
#define TAIL_HASH \
	VPSHUFB Y11, Y8, Y8    \
	VPXOR   Y15, Y8, Y8    \
	VPXOR   Y15, Y15, Y15  \
	HASH_ENDS(schedule_powers(R11))       \
	HASH_MIDDLE(schedule_sums(R11))

// PARTIAL_LOAD: CX octets, 1 to 15, at SI to X8, and zeros; nothing else is read.
// R12:AX are collected from the last octet to the first.
#define PARTIAL_LOAD(no1, no2, no4, no8, done) \
	XORL    AX, AX           \
	LEAQ    (SI)(CX*1), R13  \
	TESTB   $1, CX           \
	JEQ     no1              \
	DECQ    R13              \
	MOVBLZX (R13), AX        \
no1:                      \
	TESTB   $2, CX           \
	JEQ     no2              \
	SUBQ    $2, R13          \
	SHLQ    $16, AX          \
	MOVWLZX (R13), R12       \
	ORQ     R12, AX          \
no2:                      \
	TESTB   $4, CX           \
	JEQ     no4              \
	SUBQ    $4, R13          \
	SHLQ    $32, AX          \
	MOVL    (R13), R12       \
	ORQ     R12, AX          \
no4:                      \
	TESTB   $8, CX           \
	JEQ     no8              \
	VMOVQ   (SI), X8         \
	VPINSRQ $1, AX, X8, X8   \
	JMP     done             \
no8:                      \
	VMOVQ   AX, X8           \
done:

// PARTIAL_STORE: the first CX octets, 1 to 15, of X8 to DX.
#define PARTIAL_STORE(no8, no4, no2, no1) \
	VMOVQ   X8, AX         \
	TESTB   $8, CX         \
	JEQ     no8            \
	MOVQ    AX, (DX)       \
	ADDQ    $8, DX         \
	VPEXTRQ $1, X8, AX     \
no8:                    \
	TESTB   $4, CX         \
	JEQ     no4            \
	MOVL    AX, (DX)       \
	ADDQ    $4, DX         \
	SHRQ    $32, AX        \
no4:                    \
	TESTB   $2, CX         \
	JEQ     no2            \
	MOVW    AX, (DX)       \
	ADDQ    $2, DX         \
	SHRQ    $16, AX        \
no2:                    \
	TESTB   $1, CX         \
	JEQ     no1            \
	MOVB    AX, (DX)       \
no1:

// KEEP zeroes all but the first CX octets of block.
#define KEEP(block) \
	LEAQ    keep<>+16(SB), R12 \
	SUBQ    CX, R12            \
	VMOVDQU (R12), X9          \
	VPAND   X9, block, block

// FINISH: the block of lengths (in bits: AX of the authenticated data, CX of the text),
// and the tag to R8.
#define FINISH \
	VMOVQ   CX, X8            \
	VPINSRQ $1, AX, X8, X8    \
	VPXOR   Y15, Y8, Y8       \
	HASH_ENDS(POWERS(1))        \
	HASH_MIDDLE(SUMS(1))      \
	REDUCE                    \
	VPSHUFB X11, X15, X15     \
	VPXOR   X13, X15, X15     \
	VMOVDQU X15, (R8)         \
	VZEROUPPER

// func sealWide(k *schedule, tag, dst, src *byte, n int, nonce *byte, counter uint32, aadHigh, aadLow, aadBits uint64)
TEXT ·sealWide(SB), NOSPLIT, $0-80
	MOVQ k+0(FP), DI
	MOVQ dst+16(FP), DX
	MOVQ src+24(FP), SI
	MOVQ n+32(FP), CX
	MOVQ nonce+40(FP), R8
	MOVL counter+48(FP), R9
	MOVQ aadHigh+56(FP), AX
	MOVQ aadLow+64(FP), BX
	START

	// GHASH is one group behind: it is over ciphertext, which must be there first.
	CMPQ CX, $128
	JB   few
	COUNTERS
	MORE_ROUNDS(next1, done1)
	ROUNDS
	LAST_ROUND
	STORE
	MOVQ DX, R9
	ADDQ $128, SI
	ADDQ $128, DX
	SUBQ $128, CX

group:
	CMPQ CX, $128
	JB   last
	COUNTERS
	MORE_ROUNDS(next2, done2)
	ROUNDS_AND_HASH_GROUP
	LAST_ROUND
	STORE
	MOVQ DX, R9
	ADDQ $128, SI
	ADDQ $128, DX
	SUBQ $128, CX
	JMP  group

last:
	TAIL_START(next3, done3)
	HASH_GROUP
	JMP tail

few:
	TAIL_START(next4, done4)

tail:
	HASH_START

pair:
	CMPQ    CX, $32
	JB      block
	VPXOR   (SI), Y0, Y8
	VMOVDQU Y8, (DX)
	TAIL_HASH
	VMOVDQA Y1, Y0
	VMOVDQA Y2, Y1
	VMOVDQA Y3, Y2
	ADDQ    $32, SI
	ADDQ    $32, DX
	ADDQ    $32, R11
	SUBQ    $32, CX
	JMP     pair

block:
	CMPQ         CX, $16
	JB           partial
	VPXOR        (SI), X0, X8
	VMOVDQU      X8, (DX)
	TAIL_HASH
	VEXTRACTI128 $1, Y0, X0
	ADDQ         $16, SI
	ADDQ         $16, DX
	ADDQ         $16, R11
	SUBQ         $16, CX

partial:
	TESTQ CX, CX
	JEQ   finish
	PARTIAL_LOAD(load1, load2, load4, load8, loaded)
	VPXOR X0, X8, X8
	KEEP(X8)
	PARTIAL_STORE(store8, store4, store2, stored)
	TAIL_HASH

finish:
	MOVQ tag+8(FP), R8
	MOVQ n+32(FP), CX
	SHLQ $3, CX
	MOVQ aadBits+72(FP), AX
	FINISH
	RET

// func openWide(k *schedule, tag, dst, src *byte, n int, nonce *byte, counter uint32, aadHigh, aadLow, aadBits uint64)
TEXT ·openWide(SB), NOSPLIT, $0-80
	MOVQ k+0(FP), DI
	MOVQ dst+16(FP), DX
	MOVQ src+24(FP), SI
	MOVQ n+32(FP), CX
	MOVQ nonce+40(FP), R8
	MOVL counter+48(FP), R9
	MOVQ aadHigh+56(FP), AX
	MOVQ aadLow+64(FP), BX
	START

group:
	CMPQ CX, $128
	JB   last
	MOVQ SI, R9
	COUNTERS
	MORE_ROUNDS(next1, done1)
	ROUNDS_AND_HASH_GROUP
	LAST_ROUND
	STORE
	ADDQ $128, SI
	ADDQ $128, DX
	SUBQ $128, CX
	JMP  group

last:
	TAIL_START(next2, done2)
	HASH_START

pair:
	CMPQ    CX, $32
	JB      block
	VMOVDQU (SI), Y8
	VPXOR   Y8, Y0, Y0
	VMOVDQU Y0, (DX)
	TAIL_HASH
	VMOVDQA Y1, Y0
	VMOVDQA Y2, Y1
	VMOVDQA Y3, Y2
	ADDQ    $32, SI
	ADDQ    $32, DX
	ADDQ    $32, R11
	SUBQ    $32, CX
	JMP     pair

block:
	CMPQ         CX, $16
	JB           partial
	VMOVDQU      (SI), X8
	VPXOR        X8, X0, X9
	VMOVDQU      X9, (DX)
	TAIL_HASH
	VEXTRACTI128 $1, Y0, X0
	ADDQ         $16, SI
	ADDQ         $16, DX
	ADDQ         $16, R11
	SUBQ         $16, CX

partial:
	TESTQ   CX, CX
	JEQ     finish
	PARTIAL_LOAD(load1, load2, load4, load8, loaded)
	VMOVDQA X8, X1
	VPXOR   X0, X8, X8
	PARTIAL_STORE(store8, store4, store2, stored)
	VMOVDQA X1, X8
	TAIL_HASH

finish:
	MOVQ tag+8(FP), R8
	MOVQ n+32(FP), CX
	SHLQ $3, CX
	MOVQ aadBits+72(FP), AX
	FINISH
	RET

// func timesH(k *schedule, e *element)
TEXT ·timesH(SB), NOSPLIT, $0-16
	MOVQ    k+0(FP), DI
	MOVQ    e+8(FP), AX
	VMOVDQU reduction<>(SB), Y14
	VMOVDQU (AX), X8
	HASH_START
	HASH_ENDS(POWERS(1))
	HASH_MIDDLE(SUMS(1))
	REDUCE
	VMOVDQU X15, (AX)
	VZEROUPPER
	RET

// func substituteWord(w uint32) uint32
TEXT ·substituteWord(SB), NOSPLIT, $0-12
	MOVL             w+0(FP), AX
	VMOVD            AX, X0
	VPSHUFD          $0, X0, X0
	VAESKEYGENASSIST $0, X0, X0
	VMOVD            X0, AX
	MOVL             AX, ret+8(FP)
	RET

// func extendedFeatures() uint32
TEXT ·extendedFeatures(SB), NOSPLIT, $0-4
	MOVL $7, AX
	XORL CX, CX
	CPUID
	MOVL CX, ret+0(FP)
	RET

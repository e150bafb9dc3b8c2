// What every Coder must do. Run against the workers and against the twin, with small budgets of memory.

import { createDecipheriv } from 'node:crypto';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { blake3 } from '@noble/hashes/blake3.js';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CELL_LENGTH, PIECE_LENGTH_MAX, TAG_LENGTH } from '../../src/base/limits.ts';
import type { Coder, SegmentShape, Slot } from '../../src/base/ports.ts';
import { hashPiece } from '../../src/replication/piece-tree.ts';
import { cellAt, cellRange, segmentShape, stripeCount } from '../../src/replication/segment.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';

const KEY = Uint8Array.from({ length: 32 }, (_, index) => index);
const OTHER_KEY = KEY.map((byte) => byte ^ 1);

export function coderSuite(name: string, makeCoder: (maxMemory: number) => Coder): void {
  describe(`${name}: a coder`, () => {
    // One for all tests, with room for slots that a test leaves behind: starting workers takes a while.
    let coder: Coder;
    beforeAll(() => {
      coder = makeCoder(128 * 1024 * 1024);
    });
    afterAll(() => coder.close());

    const keyFor = (shape: SegmentShape): Uint8Array | undefined => (shape.isEncrypted ? KEY : undefined);

    /** A slot with pieces made from pseudo-random plaintext. */
    async function encoded(shape: SegmentShape, seed = 1): Promise<Slot> {
      const slot = await coder.acquire(shape);
      await filledWithNoise(slot, seed).encodeInPlace(keyFor(shape));
      return slot;
    }

    /** A new slot in which only the `present` pieces of `from` are in place. */
    async function received(from: Slot, present: readonly number[]): Promise<Slot> {
      const slot = await coder.acquire(from.shape);
      for (let index = 0; index < from.shape.n; index++) {
        if (present.includes(index)) slot.piece(index).set(from.piece(index));
        else slot.piece(index).fill(0xdd);
      }
      return slot;
    }

    it('decodes the plaintext from every choice of k pieces', async () => {
      for (const isEncrypted of [true, false]) {
        for (const [k, n] of [
          [1, 3],
          [2, 4],
          [3, 5],
        ] as const) {
          const shape = segmentShape({ k, n, plaintextLength: 1000, isEncrypted });
          const whole = await encoded(shape);
          for (const present of subsets(n, k)) {
            const slot = await received(whole, present);
            await slot.decodeInPlace(present, keyFor(shape));
            expect(isSame(plaintextOf(slot), noise(1000, 1))).toBe(true);
            slot.release();
          }
          whole.release();
        }
      }
    });

    it('decodes segments of any length under any code from random pieces', async () => {
      const codes = fc.constantFrom([1, 1], [1, 4], [2, 4], [3, 7], [4, 12], [10, 14], [10, 30], [40, 48]);
      const lengths = fc.oneof(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: 400_000 }));
      await fc.assert(
        fc.asyncProperty(codes, lengths, fc.boolean(), fc.nat(), async (code, length, isEncrypted, seed) => {
          const [k, n] = code as [number, number];
          const shape = segmentShape({ k, n, plaintextLength: length, isEncrypted });
          const whole = await encoded(shape, seed);
          const present = shuffled(n, seed)
            .slice(0, k)
            .sort((a, b) => a - b);
          const slot = await received(whole, present);
          whole.release();
          await slot.decodeInPlace(present, keyFor(shape));
          expect(isSame(plaintextOf(slot), noise(length, seed))).toBe(true);
          const from = seed % (length + 1);
          const part = Buffer.concat(slot.cells(from, length - from));
          expect(isSame(part, noise(length, seed).subarray(from))).toBe(true);
          slot.release();
        }),
        { numRuns: 20 },
      );
    });

    it('has the plaintext where it was written until it is encoded', async () => {
      const shape = segmentShape({ k: 3, n: 4, plaintextLength: 400_001, isEncrypted: true });
      const slot = await coder.acquire(shape);
      for (let index = 0; index < 4; index++) slot.piece(index).fill(0xbb);
      filledWithNoise(slot, 6);
      expect(isSame(plaintextOf(slot), noise(400_001, 6))).toBe(true);
      expect(slot.piece(3).every((byte) => byte === 0xbb)).toBe(true);
      slot.release();
    });

    it('gives each piece the root that BLAKE3 gives it', async () => {
      for (const [k, n] of [
        [3, 7],
        [1, 3],
      ] as const) {
        const shape = segmentShape({ k, n, plaintextLength: 300_000, isEncrypted: true });
        const slot = await coder.acquire(shape);
        const roots = await filledWithNoise(slot, 2).encodeInPlace(KEY);
        expect(roots.length).toBe(n);
        for (const [index, root] of roots.entries()) {
          expect(root).toEqual(blake3(slot.piece(index)));
          expect(await slot.hash(index)).toEqual(root);
        }
      }
    });

    it('stores each cell as AES-256-GCM under the number of the cell, the rest of the payload zero', async () => {
      const shape = segmentShape({ k: 2, n: 3, plaintextLength: 3 * CELL_LENGTH + 5, isEncrypted: true });
      const slot = await encoded(shape, 3);
      const opened: Buffer[] = [];
      for (let stripe = 0; stripe < stripeCount(shape); stripe++) {
        for (let column = 0; column < 2; column++) {
          const { index, pieceOffset, cellLength } = cellAt(shape, stripe, column);
          const cell = Buffer.from(slot.piece(column).slice(pieceOffset, pieceOffset + cellLength));
          const nonce = Buffer.alloc(12);
          nonce.writeUInt32BE(index, 8);
          const decipher = createDecipheriv('aes-256-gcm', KEY, nonce);
          decipher.setAuthTag(cell.subarray(-TAG_LENGTH));
          opened.push(decipher.update(cell.subarray(0, -TAG_LENGTH)), decipher.final());
        }
      }
      const payload = Buffer.concat(opened);
      expect(payload.length).toBeGreaterThan(shape.plaintextLength);
      expect(isSame(payload.subarray(0, shape.plaintextLength), noise(shape.plaintextLength, 3))).toBe(true);
      expect(payload.subarray(shape.plaintextLength).every((byte) => byte === 0)).toBe(true);
    });

    it('stores public cells as they are, the rest of the payload zero', async () => {
      const shape = segmentShape({ k: 2, n: 3, plaintextLength: 100, isEncrypted: false });
      const slot = await coder.acquire(shape);
      for (let index = 0; index < 3; index++) slot.piece(index).fill(0xbb);
      for (const cell of slot.cells(0, 100)) cell.fill(7);
      await slot.encodeInPlace(undefined);
      expect([...slot.piece(0)]).toEqual(Array.from({ length: 64 }, () => 7));
      expect([...slot.piece(1)]).toEqual(Array.from({ length: 64 }, (_, at) => (at < 36 ? 7 : 0)));
    });

    it('says WRONG_KEY for another key, and shows nothing of the segment', async () => {
      for (const [plaintextLength, present] of [
        [500, [0, 2]],
        [400_000, [0, 2]],
        [400_000, [0, 1]],
      ] as const) {
        const shape = segmentShape({ k: 2, n: 3, plaintextLength, isEncrypted: true });
        const whole = await encoded(shape);
        const slot = await received(whole, present);
        await expectCodeAsync('WRONG_KEY', slot.decodeInPlace(present, OTHER_KEY));
        expect(isSame(slot.piece(0), whole.piece(0))).toBe(true);
        await slot.decodeInPlace(present, KEY);
        expect(isSame(plaintextOf(slot), noise(plaintextLength, 1))).toBe(true);
        slot.release();
        whole.release();
      }
    });

    it('shows a damaged piece by its root, and never decrypts it', async () => {
      const shape = segmentShape({ k: 2, n: 4, plaintextLength: 200_000, isEncrypted: true });
      const whole = await encoded(shape);
      const root = await whole.hash(3);
      const slot = await received(whole, [1, 3]);
      slot.piece(3)[77_777]! ^= 4;
      expect(await slot.hash(3)).not.toEqual(root);
      await expectCodeAsync('WRONG_KEY', slot.decodeInPlace([1, 3], KEY));
    });

    it('rebuilds each piece from k others, with its root and without a key', async () => {
      for (const [k, n, plaintextLength] of [
        [1, 3, 10],
        [3, 7, 250_000],
        [4, 14, 3000],
      ] as const) {
        const shape = segmentShape({ k, n, plaintextLength, isEncrypted: true });
        const whole = await encoded(shape);
        for (let target = 0; target < n; target++) {
          const present = shuffled(n, target)
            .filter((index) => index !== target)
            .slice(0, k)
            .sort((a, b) => a - b);
          const slot = await received(whole, present);
          expect(await slot.rebuild(present, target)).toEqual(await whole.hash(target));
          expect(isSame(slot.piece(target), whole.piece(target))).toBe(true);
          slot.release();
        }
        whole.release();
      }
    });

    it('verifies code words and sees one changed byte in any piece', async () => {
      for (const [k, n, plaintextLength] of [
        [1, 3, 100],
        [3, 7, 400_000],
        [4, 20, 90_000],
        [2, 2, 100],
      ] as const) {
        const shape = segmentShape({ k, n, plaintextLength, isEncrypted: false });
        const slot = await encoded(shape);
        expect(await slot.verify()).toBe(true);
        for (let index = 0; index < n && n > k; index++) {
          const at = (index * 7919) % shape.pieceLength;
          slot.piece(index)[at]! ^= 0x80;
          expect(await slot.verify()).toBe(false);
          slot.piece(index)[at]! ^= 0x80;
        }
        slot.release();
      }
    });

    it('decodes a run of stripes on its own, as a range read does', async () => {
      const shape = segmentShape({ k: 2, n: 4, plaintextLength: 9 * CELL_LENGTH, isEncrypted: true });
      const whole = await encoded(shape, 5);
      const [offset, length] = [3 * CELL_LENGTH, 2 * CELL_LENGTH + 9];
      const { run, pieceOffset, skip } = cellRange(shape, offset, length);
      expect(run.pieceLength).toBeLessThan(shape.pieceLength);
      const slot = await coder.acquire(run);
      for (const index of [1, 2]) {
        slot.piece(index).set(whole.piece(index).subarray(pieceOffset, pieceOffset + run.pieceLength));
      }
      await slot.decodeInPlace([1, 2], KEY);
      const expected = noise(shape.plaintextLength, 5).subarray(offset, offset + length);
      expect(isSame(Buffer.concat(slot.cells(skip, length)), expected)).toBe(true);
    });

    it('keeps segments in flight apart', async () => {
      const shape = segmentShape({ k: 3, n: 5, plaintextLength: 150_000, isEncrypted: true });
      await Promise.all(
        Array.from({ length: 12 }, async (_, seed) => {
          const whole = await encoded(shape, seed);
          await whole.decodeInPlace([2, 3, 4], KEY);
          expect(isSame(plaintextOf(whole), noise(150_000, seed))).toBe(true);
          whole.release();
        }),
      );
    });

    it('hashes a piece of any length with its outboard tree', async () => {
      for (const length of [0, 1, 1024, 16_384, 16_385, 65_536, 65_537, 300_001]) {
        const piece = noise(length, length);
        const hashed = await coder.hashPiece(piece);
        expect(hashed).toEqual(hashPiece(piece));
        expect(hashed.root).toEqual(blake3(piece));
      }
    });

    it('hashes a piece that lies in the middle of a larger buffer', async () => {
      const piece = noise(200_000, 9).subarray(1001, 151_001);
      expect((await coder.hashPiece(piece)).root).toEqual(blake3(piece));
    });

    it('refuses to hash more than the longest piece', async () => {
      await expectCodeAsync('INVALID_ARGUMENT', coder.hashPiece(new Uint8Array(PIECE_LENGTH_MAX + 1)));
    });
  });

  describe(`${name}: the memory of a coder`, () => {
    let coder: Coder;
    beforeEach(() => {
      coder = makeCoder(1024 * 1024);
    });
    afterEach(() => coder.close());

    /** Needs a little more than half of the memory. */
    const half = segmentShape({ k: 1, n: 1, plaintextLength: 540_000, isEncrypted: false });
    const small = segmentShape({ k: 1, n: 1, plaintextLength: 1000, isEncrypted: false });

    it('is waited for when it is used up, first come first served', async () => {
      const first = await coder.acquire(half);
      const order: string[] = [];
      const second = coder.acquire(half).then((slot) => {
        order.push('half');
        return slot;
      });
      const third = coder.acquire(small).then(() => order.push('small'));
      await delay(20);
      expect(order).toEqual([]);
      first.release();
      const slot = await second;
      await third;
      expect(order).toEqual(['half', 'small']);
      expect((await filledWithNoise(slot, 1).encodeInPlace(undefined)).length).toBe(1);
    });

    it('is not waited for any longer than the signal allows', async () => {
      const first = await coder.acquire(half);
      const controller = new AbortController();
      const second = coder.acquire(half, controller.signal);
      const third = coder.acquire(small);
      controller.abort();
      await expectCodeAsync('ABORTED', second);
      (await third).release();
      first.release();
      await expectCodeAsync('ABORTED', coder.acquire(half, AbortSignal.abort()));
      (await coder.acquire(half, new AbortController().signal)).release();
    });

    it('is not needed to hash a piece when it is used up', async () => {
      await coder.acquire(half);
      const piece = noise(600_000, 4);
      expect((await coder.hashPiece(piece)).root).toEqual(blake3(piece));
    });

    it('refuses a segment that can never fit', async () => {
      const shape = segmentShape({ k: 1, n: 3, plaintextLength: 500_000, isEncrypted: false });
      await expectCodeAsync('INVALID_ARGUMENT', coder.acquire(shape));
    });

    it('comes back when slots are released, once each, however often', async () => {
      for (let round = 0; round < 50; round++) {
        const slot = await coder.acquire(half);
        slot.release();
        slot.release();
      }
    });

    it('stays with a slot whose job still runs when it is released', async () => {
      const shape = segmentShape({ k: 2, n: 4, plaintextLength: 300_000, isEncrypted: false });
      const slot = await coder.acquire(shape);
      const encoding = filledWithNoise(slot, 1).encodeInPlace(undefined);
      slot.release();
      const next = coder.acquire(shape).then((other) => other.piece(0).fill(0));
      const roots = await encoding;
      await next;
      const cells = Array.from({ length: stripeCount(shape) }, (_, stripe) => cellAt(shape, stripe, 0));
      const column = cells.map(({ plaintextOffset: from, plaintextLength: length }) =>
        noise(300_000, 1).subarray(from, from + length),
      );
      expect(roots.length).toBe(4);
      expect(roots[0]).toEqual(blake3(Buffer.concat(column)));
    });

    it('is out of reach after release and close', async () => {
      const slot = await coder.acquire(half);
      slot.release();
      await expectCodeAsync('CLOSED', slot.hash(0));
      const held = await coder.acquire(half);
      const waiting = coder.acquire(half);
      const refused = expectCodeAsync('CLOSED', waiting);
      await coder.close();
      await refused;
      await expectCodeAsync('CLOSED', coder.acquire(small));
      await expectCodeAsync('CLOSED', coder.hashPiece(new Uint8Array(1)));
      await expectCodeAsync('CLOSED', held.encodeInPlace(undefined));
      await coder.close();
    });

    it('serves reads of files, and writes to and reads from sockets', async () => {
      const shape = segmentShape({ k: 1, n: 1, plaintextLength: 200_000, isEncrypted: false });
      const slot = await coder.acquire(shape);
      const folder = await mkdtemp(join(tmpdir(), 'coder-'));
      await writeFile(join(folder, 'file'), noise(200_000, 8));
      const file = await open(join(folder, 'file'));
      const piece = slot.piece(0).subarray(0, 200_000);
      expect((await file.read(piece, 0, 200_000, 0)).bytesRead).toBe(200_000);
      await file.close();
      await rm(folder, { recursive: true });
      const sent = await coder.acquire(shape);
      await throughSocket(piece, sent.piece(0));
      expect(isSame(sent.piece(0).subarray(0, 200_000), noise(200_000, 8))).toBe(true);
    });

    it('is used by one coder only: programmers who mix up columns or keys are stopped', async () => {
      const slot = await coder.acquire(segmentShape({ k: 2, n: 3, plaintextLength: 9, isEncrypted: true }));
      await expect(slot.encodeInPlace(undefined)).rejects.toThrow('invariant');
      await expect(slot.encodeInPlace(KEY.subarray(1))).rejects.toThrow('invariant');
      await expect(slot.decodeInPlace([1, 0], KEY)).rejects.toThrow('invariant');
      await expect(slot.decodeInPlace([0, 3], KEY)).rejects.toThrow('invariant');
      await expect(slot.decodeInPlace([0], KEY)).rejects.toThrow('invariant');
      await expect(slot.rebuild([0, 1], 1)).rejects.toThrow('invariant');
      await expect(slot.hash(3)).rejects.toThrow('invariant');
      expect(() => slot.piece(-1)).toThrow('invariant');
    });
  });
}

/** Sends `from` over a loopback connection and fills `into` with its first bytes. */
async function throughSocket(from: Uint8Array, into: Uint8Array): Promise<void> {
  const server = createServer((socket) => socket.end(from)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let filled = 0;
  for await (const chunk of client as AsyncIterable<Buffer>) {
    into.set(chunk.subarray(0, into.length - filled), filled);
    filled = Math.min(into.length, filled + chunk.length);
  }
  server.close();
}

function filledWithNoise(slot: Slot, seed: number): Slot {
  const plaintext = noise(slot.shape.plaintextLength, seed);
  let at = 0;
  for (const cell of slot.cells(0, plaintext.length)) {
    cell.set(plaintext.subarray(at, at + cell.length));
    at += cell.length;
  }
  return slot;
}

function plaintextOf(slot: Slot): Uint8Array {
  return Buffer.concat(slot.cells(0, slot.shape.plaintextLength));
}

/** Pseudo-random bytes, cheap and repeatable. */
function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed + 1) >>> 0;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

function shuffled(count: number, seed: number): number[] {
  const draws = noise(count, seed);
  return Array.from({ length: count }, (_, index) => index).sort((a, b) => draws[a]! - draws[b]! || a - b);
}

function subsets(n: number, k: number): number[][] {
  const all: number[][] = [];
  for (let bits = 0; bits < 2 ** n; bits++) {
    const chosen = Array.from({ length: n }, (_, index) => index).filter((index) => (bits >> index) & 1);
    if (chosen.length === k) all.push(chosen);
  }
  return all;
}

/** `toEqual` on long arrays is slow. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

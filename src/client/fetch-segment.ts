// Plaintext of a segment, or of a part of it, from the pieces that holders give. Whole pieces go straight into the
// memory they are decoded in and are checked against their roots; parts come as whole groups with a proof. No
// byte leaves this module unverified. Plaintext replaces the data pieces where they lie: that is safe because
// `gather` returns only when no fetch is running any more, and a call that has ended writes nothing (see CallOptions).

import { equal, short } from '../base/bytes.ts';
import { type EpochRecord, shardOf } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import type { ContentKey, NodeId } from '../base/ids.ts';
import type { SegmentShape, Slot } from '../base/ports.ts';
import { type SegmentRecord, segmentLength } from '../replication/manifest.ts';
import { segmentIdOf, segmentKey } from '../replication/object.ts';
import { coveringGroups, verifyRange } from '../replication/piece-tree.ts';
import { rank, shardMembers } from '../replication/placement.ts';
import { cellAt, type CellRange, cellRange, segmentShape, stripeCount } from '../replication/segment.ts';
import { importCellKey, openCell } from '../runtime/coder/cells.ts';
import { toHex } from '../base/bytes.ts';
import { fetchPiece, locatePieces } from './calls.ts';
import type { Context } from './context.ts';
import { type Candidate, gather, type GatherPlan, type LineEstimate } from './gather.ts';
import { type Health, strikesAfter } from './health.ts';
import { copyCells, holdSlot } from './memory.ts';
import type { ObjectReader } from './object-reader.ts';
import { forEachAtMost } from './tasks.ts';
import type { NoticeEvent } from './types.ts';

export interface SegmentReader {
  readonly context: Context;
  readonly epoch: EpochRecord;
  readonly reader: ObjectReader;
  readonly key: ContentKey | undefined;
  readonly health: Health;
  readonly line: LineEstimate;
  readonly signal: AbortSignal;
  readonly notice: (event: NoticeEvent) => void;
  /** Bytes that arrived. */
  readonly onFetched: (bytes: number) => void;
}

/** Members asked at a time for the pieces they have. */
const LOCATED_AT_ONCE = 8;
/** A range of more than one of so many parts of a segment is read as the whole segment: whole pieces are hashed by the fast kernel. */
const RANGE_DIVISOR = 2;

/** Verified plaintext, read once from its start. It holds memory until it is released, which must happen. */
export interface FetchedPart {
  readonly left: number;
  /** Copies the next bytes, at most `left`, until `into` is full. */
  read(into: Uint8Array): void;
  release(): void;
}

/** Plaintext bytes [offset, offset + length) of segment `index`. Throws NOT_ENOUGH_PIECES, INTEGRITY, ABORTED. */
export async function fetchSegment(
  segments: SegmentReader,
  index: number,
  offset: number,
  length: number,
): Promise<FetchedPart> {
  const { reader, signal } = segments;
  const record = await reader.segment(index, signal);
  const { manifest } = reader;
  const shape = segmentShape({
    ...manifest.code,
    plaintextLength: segmentLength(manifest, index),
    isEncrypted: manifest.keyCheck !== undefined,
  });
  const range = cellRange(shape, offset, length);
  const isWhole = range.run.pieceLength * RANGE_DIVISOR > shape.pieceLength && stripeCount(range.run) > 1;
  try {
    if (range.run.pieceLength === shape.pieceLength && range.columns.length === shape.k) {
      return await readWhole(segments, index, record, shape, offset, length);
    }
    if (isWhole) return await readWhole(segments, index, record, shape, offset, length);
    return await readRange(segments, index, record, shape, range, length);
  } catch (error) {
    // The key was checked and the pieces are what the manifest says: it was written wrong.
    if (!(error instanceof StoreError) || error.code !== 'WRONG_KEY') throw error;
    throw new StoreError('INTEGRITY', `segment ${index} does not decrypt although its pieces are right`, {
      cause: error,
      next: 'The object was written wrong; put it again.',
    });
  }
}

// ---- Whole pieces ------------------------------------------------------------------------------------------------

async function readWhole(
  segments: SegmentReader,
  index: number,
  record: SegmentRecord,
  shape: SegmentShape,
  offset: number,
  length: number,
): Promise<FetchedPart> {
  const { context, signal } = segments;
  // Beyond the k pieces decoded from, hedges touch one or two more.
  const slot = await holdSlot(context, shape, Math.min(shape.n, shape.k + 1), signal);
  try {
    const present = await gather(context, {
      ...commonPlan(segments, index, record),
      wanted: columnsUpTo(shape.k),
      fetchLength: shape.pieceLength,
      fetch: (candidate, options) => fetchWhole(segments, index, record, shape, slot, candidate, options),
    });
    await slot.decodeInPlace(present.slice(0, shape.k), keyOf(segments, index, record));
    return lendPart(context, slot, offset, length);
  } catch (error) {
    slot.release();
    throw error;
  }
}

async function fetchWhole(
  segments: SegmentReader,
  index: number,
  record: SegmentRecord,
  { pieceLength }: SegmentShape,
  slot: Slot,
  { column, node }: Candidate,
  options: { readonly signal: AbortSignal; readonly onBytes: (count: number) => void },
): Promise<void> {
  const { context, reader } = segments;
  const root = record.roots[column]!;
  const target = slot.piece(column);
  const get = { object: reader.object, segmentIndex: index, pieceIndex: column, root, range: undefined };
  const { bytes } = await fetchPiece(context, node, get, pieceLength, {
    signal: options.signal,
    onBytes: (count) => {
      options.onBytes(count);
      segments.onFetched(count);
    },
    // Bytes of the wrong length, or after the end of the wait, go to memory of their own.
    into: (length) =>
      length === pieceLength && !options.signal.aborted
        ? target
        : new Uint8Array(Math.min(length, pieceLength)),
  });
  if (bytes.length !== pieceLength) throw wrongBytes(node);
  if (bytes.buffer !== target.buffer || bytes.byteOffset !== target.byteOffset) target.set(bytes);
  if (!equal(await slot.hash(column), root)) throw wrongBytes(node);
}

// ---- Ranges --------------------------------------------------------------------------------------------------------

/** The cells of the range alone from their data pieces; when one cannot be had, the same stripes of any k pieces. */
async function readRange(
  segments: SegmentReader,
  index: number,
  record: SegmentRecord,
  shape: SegmentShape,
  range: CellRange,
  length: number,
): Promise<FetchedPart> {
  const { context } = segments;
  const { run } = range;
  const columns = new Map<number, Uint8Array>();
  const present = await gather(context, {
    ...commonPlan(segments, index, record, range.columns),
    wanted: range.columns,
    fetchLength: run.pieceLength,
    fetch: async (candidate, options) => {
      const bytes = await fetchRange(segments, index, record, shape, range, candidate, options);
      columns.set(candidate.column, bytes);
    },
  });
  const key = keyOf(segments, index, record);
  if (range.columns.every((column) => columns.has(column))) {
    return heapPart(openColumns(range, columns, key).subarray(range.skip, range.skip + length));
  }
  const slot = await holdSlot(context, run, run.n, segments.signal);
  try {
    const used = present.slice(0, run.k);
    for (const column of used) slot.piece(column).set(columns.get(column)!);
    await slot.decodeInPlace(used, key);
    return lendPart(context, slot, range.skip, length);
  } catch (error) {
    slot.release();
    throw error;
  }
}

async function fetchRange(
  segments: SegmentReader,
  index: number,
  record: SegmentRecord,
  { pieceLength }: SegmentShape,
  { run, pieceOffset }: CellRange,
  { column, node }: Candidate,
  options: { readonly signal: AbortSignal; readonly onBytes: (count: number) => void },
): Promise<Uint8Array> {
  const { context, reader } = segments;
  const root = record.roots[column]!;
  const range = { offset: pieceOffset, length: run.pieceLength };
  const covered = coveringGroups(pieceLength, range);
  const get = { object: reader.object, segmentIndex: index, pieceIndex: column, root, range };
  const { reply, bytes } = await fetchPiece(context, node, get, covered.length, {
    signal: options.signal,
    onBytes: (count) => {
      options.onBytes(count);
      segments.onFetched(count);
    },
  });
  if (!verifyRange(root, pieceLength, range, bytes, reply.proof, context.hasher)) throw wrongBytes(node);
  // Stripes begin at multiples of a cell, hence of a group.
  const skip = pieceOffset - covered.offset;
  return bytes.subarray(skip, skip + run.pieceLength);
}

/** Plaintext of the run where the columns that hold the range are known; zeros elsewhere. */
function openColumns(
  { run, columns }: CellRange,
  bytes: ReadonlyMap<number, Uint8Array>,
  key: Uint8Array | undefined,
): Uint8Array {
  const plaintext = new Uint8Array(run.plaintextLength);
  const cellKey = key === undefined ? undefined : importCellKey(key);
  for (let stripe = 0; stripe < stripeCount(run); stripe++) {
    for (const column of columns) {
      const cell = cellAt(run, stripe, column);
      const stored = bytes.get(column)!.subarray(cell.pieceOffset, cell.pieceOffset + cell.cellLength);
      const end = cell.plaintextOffset + cell.plaintextLength;
      openCell(cellKey, cell.index, stored, plaintext.subarray(cell.plaintextOffset, end));
    }
  }
  return plaintext;
}

// ---- Who has what ----------------------------------------------------------------------------------------------------

type CommonPlan = Omit<GatherPlan, 'wanted' | 'fetchLength' | 'fetch'>;

/** Data pieces first: they need no decoding; `first` before all others. */
function commonPlan(
  segments: SegmentReader,
  index: number,
  record: SegmentRecord,
  first: readonly number[] = [],
): CommonPlan {
  const { reader, health, line, signal, notice } = segments;
  const { k, n } = reader.manifest.code;
  const order = [...first, ...columnsUpTo(n).filter((column) => !first.includes(column))];
  return {
    segmentIndex: index,
    k,
    candidates: order.map((column) => ({ column, node: record.holders[column]! })),
    health,
    line,
    signal,
    notice,
    locate: (asked, locateSignal, found) => locateOthers(segments, index, record, asked, locateSignal, found),
  };
}

/** Right pieces that other members say they have; the likeliest members are asked first. */
async function locateOthers(
  { context, epoch, reader }: SegmentReader,
  segmentIndex: number,
  record: SegmentRecord,
  asked: ReadonlySet<string>,
  signal: AbortSignal,
  found: (candidate: Candidate) => void,
): Promise<void> {
  const { object } = reader;
  const members = shardMembers(epoch, shardOf(object, epoch.params.shardBits));
  const ranked = rank(members, 'placement', segmentIdOf(object, segmentIndex));
  const others = ranked.filter(({ node }) => !asked.has(toHex(node)));
  // Holders may have got further pieces since; those that answer at all do so at once.
  const order = [...others, ...ranked.filter(({ node }) => asked.has(toHex(node)))];
  let failed = new Map<NodeId, number>();
  const ask = async (node: NodeId, strikes: number): Promise<void> => {
    if (signal.aborted) return;
    try {
      for (const column of await locatePieces(
        context,
        node,
        { object, segmentIndex },
        record.roots,
        signal,
      )) {
        const isKnown = record.holders[column] !== undefined && equal(record.holders[column], node);
        if (!isKnown) found({ column, node });
      }
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      const sum = strikesAfter(strikes, error.code);
      if (sum !== undefined) failed.set(node, sum);
    }
  };
  await forEachAtMost(order, LOCATED_AT_ONCE, ({ node }) => ask(node, 0));
  // Whoever does not answer may have the last piece: it is asked again, while what was found is being fetched.
  for (let waitMs = context.timing.retryMs; failed.size > 0; waitMs *= 2) {
    await context.clock.sleep(waitMs, signal);
    const again = [...failed];
    failed = new Map();
    await forEachAtMost(again, LOCATED_AT_ONCE, ([node, strikes]) => ask(node, strikes));
  }
}

function keyOf({ key, reader }: SegmentReader, index: number, record: SegmentRecord): Uint8Array | undefined {
  return key === undefined ? undefined : segmentKey(key, reader.object, index, record.salt);
}

function columnsUpTo(count: number): number[] {
  return Array.from({ length: count }, (_, column) => column);
}

// ---- Handing out -----------------------------------------------------------------------------------------------------

/** Plaintext that lies in a slot, which is lent from now on: to the heap with what nobody has read when others need the memory. */
function lendPart({ memory }: Context, slot: Slot, offset: number, length: number): FetchedPart {
  const end = offset + length;
  let at = offset;
  let moved: FetchedPart | undefined;
  const endLoan = memory.lend(() => {
    const rest = new Uint8Array(end - at);
    copyCells(slot, at, rest);
    moved = heapPart(rest);
    slot.release();
  });
  return {
    get left() {
      return end - at;
    },
    read: (into) => {
      if (moved === undefined) copyCells(slot, at, into);
      else moved.read(into);
      at += into.length;
    },
    release: () => {
      endLoan();
      moved = undefined;
      slot.release();
    },
  };
}

function heapPart(bytes: Uint8Array): FetchedPart {
  let at = 0;
  return {
    get left() {
      return bytes.length - at;
    },
    read: (into) => {
      into.set(bytes.subarray(at, at + into.length));
      at += into.length;
    },
    release: () => undefined,
  };
}

function wrongBytes(node: NodeId): StoreError {
  return new StoreError('INTEGRITY', `node ${short(node)} sent bytes that do not match their root`);
}

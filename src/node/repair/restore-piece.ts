// Makes a piece be here: copied where somebody else has it, else rebuilt from k others. No key is needed, and nobody is trusted: what is stored has
// the root that the chain says. It takes the memory of one segment.

import { equal, short } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NodeId, PieceRoot } from '../../base/ids.ts';
import { segmentShape } from '../../replication/segment.ts';
import { segmentCapacity } from '../../replication/manifest.ts';
import { encodePieceMeta, pieceKey } from '../entry-keys.ts';
import { isHere } from '../stored.ts';
import { fetchColumns, fetchCopy, locateColumns, type Source } from './fetch-columns.ts';
import type { HeldSegment } from './held-segment.ts';
import type { RestorePorts } from './restore-ports.ts';

export type RestoredBy = 'here' | 'copy' | 'rebuild';

export interface RestoreOptions {
  readonly signal: AbortSignal;
  /** Who has the piece for certain: it is copied from there. */
  readonly from?: NodeId;
}

/** How it came; durable when it resolves. Throws NOT_ENOUGH_PIECES, and what the log throws. */
export async function restorePiece(
  ports: RestorePorts,
  held: HeldSegment,
  pieceIndex: number,
  options: RestoreOptions,
): Promise<RestoredBy> {
  const key = pieceKeyOf(held, pieceIndex);
  if (await isHere(ports, key, held.lengthBytes)) return 'here';
  const known = knownSources(ports, held, pieceIndex, options.from);
  const restored =
    (await restoreFrom(ports, held, pieceIndex, known, options)) ??
    (await restoreFromLocated(ports, held, pieceIndex, known, options));
  if (restored !== undefined) return restored;
  const { object, segmentIndex, code } = held;
  throw new StoreError(
    'NOT_ENOUGH_PIECES',
    `piece ${pieceIndex} of segment ${segmentIndex} of object ${short(object)} cannot be rebuilt: fewer than ${code.k} others are to be had`,
  );
}

export function pieceKeyOf({ object, segmentIndex, roots }: HeldSegment, pieceIndex: number): Uint8Array {
  return pieceKey({ object, segmentIndex, pieceIndex, root: roots[pieceIndex] as PieceRoot });
}

/** Data pieces first: the others follow from them by less work. */
function knownSources(
  { signer }: RestorePorts,
  { holders }: HeldSegment,
  pieceIndex: number,
  from: NodeId | undefined,
): readonly Source[] {
  const named = holders
    .map((node, column): Source => ({ column, node }))
    .filter(({ column, node }) => column !== pieceIndex && !equal(node, signer.publicKey));
  return from === undefined ? named : [{ column: pieceIndex, node: from }, ...named];
}

async function restoreFromLocated(
  ports: RestorePorts,
  held: HeldSegment,
  pieceIndex: number,
  known: readonly Source[],
  options: RestoreOptions,
): Promise<RestoredBy | undefined> {
  const located = await locateColumns(ports, held, options.signal);
  if (located.length === 0) return undefined;
  return restoreFrom(ports, held, pieceIndex, [...located, ...known], options);
}

async function restoreFrom(
  ports: RestorePorts,
  held: HeldSegment,
  pieceIndex: number,
  sources: readonly Source[],
  { signal }: RestoreOptions,
): Promise<RestoredBy | undefined> {
  // Of a code with k = 1 all pieces may be the same.
  const isSame = ({ column }: Source): boolean => equal(held.roots[column]!, held.roots[pieceIndex]!);
  const copy = await fetchCopy(ports, held, sources.filter(isSame), signal);
  if (copy !== undefined) {
    await store(ports, held, pieceIndex, copy.bytes, copy.outboard);
    return 'copy';
  }
  const others = sources.filter((source) => !isSame(source));
  return (await rebuild(ports, held, pieceIndex, others, signal)) ? 'rebuild' : undefined;
}

async function rebuild(
  ports: RestorePorts,
  held: HeldSegment,
  pieceIndex: number,
  sources: readonly Source[],
  signal: AbortSignal,
): Promise<boolean> {
  if (new Set(sources.map(({ column }) => column)).size < held.code.k) return false;
  const slot = await ports.coder.acquire(shapeOf(held), signal);
  try {
    const present = await fetchColumns(ports, held, slot, sources, signal);
    if (present === undefined) return false;
    const root = await slot.rebuild(present, pieceIndex);
    if (!equal(root, held.roots[pieceIndex]!)) throw notACode(held);
    const piece = slot.piece(pieceIndex);
    const { outboard } = await ports.coder.hashPiece(piece);
    await store(ports, held, pieceIndex, piece, outboard);
    return true;
  } finally {
    slot.release();
  }
}

function shapeOf({ record, segmentIndex }: HeldSegment): ReturnType<typeof segmentShape> {
  const { code, segmentCells, isEncrypted, lengthBytes } = record.shape;
  const capacity = segmentCapacity(segmentCells, isEncrypted);
  const plaintextLength = Math.min(capacity, lengthBytes - segmentIndex * capacity);
  return segmentShape({ ...code, plaintextLength, isEncrypted });
}

/** Pieces that match their roots and no code: whoever wrote the object said so, and nothing can be made of it. */
function notACode({ object, segmentIndex }: HeldSegment): StoreError {
  return new StoreError(
    'INTEGRITY',
    `segment ${segmentIndex} of object ${short(object)} was written wrong: its pieces do not belong together`,
  );
}

async function store(
  { log }: RestorePorts,
  held: HeldSegment,
  pieceIndex: number,
  payload: Uint8Array,
  outboard: Uint8Array,
): Promise<void> {
  const { object, segmentIndex, record, roots } = held;
  const place = { object, segmentIndex, pieceIndex, root: roots[pieceIndex] as PieceRoot };
  const meta = encodePieceMeta({ ...place, owner: record.owner, outboard });
  await log.put({ key: pieceKey(place), meta, payload });
}

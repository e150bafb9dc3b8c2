// Pieces of one segment from whoever has them, each checked against its root: into the memory that a missing one is rebuilt in, or as they are.

import { equal, short, toHex } from '../../base/bytes.ts';
import { toStoreError } from '../../base/errors.ts';
import type { NodeId, PieceRoot } from '../../base/ids.ts';
import { RESTORE_ASKED_AT_ONCE, RESTORE_FETCHES_MAX } from '../../base/limits.ts';
import type { Slot } from '../../base/ports.ts';
import { fetchPiece, locatePieces } from '../../client/calls.ts';
import { forEachAtMost } from '../../client/tasks.ts';
import { type HeldSegment, holderOrder } from './held-segment.ts';
import { RESTORE_TIMING, type RestorePorts } from './restore-ports.ts';

/** A node that has, or should have, a piece. */
export interface Source {
  readonly column: number;
  readonly node: NodeId;
}

/** Fills k columns of the slot, from the first sources that give them: these, ascending, or undefined when so many are not to be had. */
export async function fetchColumns(
  ports: RestorePorts,
  held: HeldSegment,
  slot: Slot,
  sources: readonly Source[],
  signal: AbortSignal,
): Promise<readonly number[] | undefined> {
  const { k } = held.code;
  const have = new Set<number>();
  const left = [...sources];
  while (have.size < k) {
    const turn: Source[] = [];
    while (turn.length < Math.min(RESTORE_FETCHES_MAX, k - have.size)) {
      const at = left.findIndex(
        ({ column }) => !have.has(column) && turn.every((each) => each.column !== column),
      );
      if (at < 0) break;
      turn.push(...left.splice(at, 1));
    }
    if (turn.length === 0) return undefined;
    await Promise.all(
      turn.map(async (source) => {
        if (await fetchColumn(ports, held, slot, source, signal)) have.add(source.column);
      }),
    );
    signal.throwIfAborted();
  }
  return [...have].sort((a, b) => a - b);
}

async function fetchColumn(
  ports: RestorePorts,
  held: HeldSegment,
  slot: Slot,
  source: Source,
  signal: AbortSignal,
): Promise<boolean> {
  const into = slot.piece(source.column);
  const bytes = await fetchFrom(ports, held, source, signal, into);
  if (bytes === undefined) return false;
  if (bytes.buffer !== into.buffer || bytes.byteOffset !== into.byteOffset) into.set(bytes);
  return isRight(ports, held, source, await slot.hash(source.column));
}

/** The piece of the first source that has it, as bytes; undefined when none has. */
export async function fetchCopy(
  ports: RestorePorts,
  held: HeldSegment,
  sources: readonly Source[],
  signal: AbortSignal,
): Promise<{ readonly bytes: Uint8Array; readonly outboard: Uint8Array } | undefined> {
  for (const source of sources) {
    const bytes = await fetchFrom(ports, held, source, signal);
    signal.throwIfAborted();
    if (bytes === undefined) continue;
    const { root, outboard } = await ports.coder.hashPiece(bytes);
    if (isRight(ports, held, source, root)) return { bytes, outboard };
  }
  return undefined;
}

async function fetchFrom(
  ports: RestorePorts,
  held: HeldSegment,
  { column, node }: Source,
  signal: AbortSignal,
  into?: Uint8Array,
): Promise<Uint8Array | undefined> {
  const { object, segmentIndex, lengthBytes, roots } = held;
  const root = roots[column] as PieceRoot;
  const get = { object, segmentIndex, pieceIndex: column, root, range: undefined };
  const place = (length: number): Uint8Array =>
    into !== undefined && length === lengthBytes && !signal.aborted
      ? into
      : new Uint8Array(Math.min(length, lengthBytes));
  try {
    const caller = { ...ports, timing: RESTORE_TIMING };
    const { bytes } = await fetchPiece(caller, node, get, lengthBytes, { signal, into: place });
    return bytes.length === lengthBytes ? bytes : undefined;
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = toStoreError(error, 'INTERNAL', 'piece');
    const facts = { peer: short(node), segmentIndex, pieceIndex: column, code, reason: message };
    ports.logger.debug(facts, 'a piece that repair needs is not to be had there');
    return undefined;
  }
}

function isRight(
  { logger }: RestorePorts,
  { roots, object, segmentIndex }: HeldSegment,
  { column, node }: Source,
  root: Uint8Array,
): boolean {
  if (equal(root, roots[column]!)) return true;
  const facts = { peer: short(node), object: short(object), segmentIndex, pieceIndex: column };
  logger.warn(facts, 'a node gave repair a piece that is not what the chain says');
  return false;
}

/** What members of the object's shard say that they have beyond what the records say of them; those come first that are next in the placement. */
export async function locateColumns(
  ports: RestorePorts,
  held: HeldSegment,
  signal: AbortSignal,
): Promise<readonly Source[]> {
  const { object, segmentIndex, holders } = held;
  const roots = held.roots as readonly PieceRoot[];
  const found: Source[] = [];
  const others = holderOrder(ports.epoch(), held).filter(({ node }) => !equal(node, ports.signer.publicKey));
  const caller = { ...ports, timing: RESTORE_TIMING };
  await forEachAtMost(others, RESTORE_ASKED_AT_ONCE, async ({ node }) => {
    try {
      const columns = await locatePieces(caller, node, { object, segmentIndex }, roots, signal);
      for (const column of columns) {
        if (toHex(holders[column]!) !== toHex(node)) found.push({ column, node });
      }
    } catch {
      signal.throwIfAborted();
    }
  });
  return found;
}

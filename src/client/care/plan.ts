// What would be if a node went: for good and by plan (`planRemoval`), or without a word (`drillLoss`). Nothing is changed: the one counts, the other makes
// pieces again in the memory of this client and looks whether they have the roots that the chain says.
//
// The chain says how much a node holds in all, but not which objects of others: segments are those of this key and home.

import { equal, short, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NodeId, ObjectId, PieceRoot } from '../../base/ids.ts';
import type { Code } from '../../replication/code.ts';
import { hashPiece } from '../../replication/piece-tree.ts';
import { rebuild } from '../../replication/reed-solomon.ts';
import { segmentHealth } from '../../replication/repair.ts';
import { type HolderFacts, holdersFacts } from '../../shards/holders.ts';
import { pieceLengthOf } from '../../shards/object-shape.ts';
import { fetchPiece } from '../calls.ts';
import type { OpenChainClient } from '../chain/client.ts';
import type { Answer } from '../chain/types.ts';
import type { Context } from '../context.ts';
import type { StoreNamesPorts } from '../name-release.ts';
import { throwIfAborted } from '../tasks.ts';
import type { CallEvents } from '../types.ts';
import { holdingsOf } from './health.ts';
import { type NetworkFacts, networkFacts } from './object-facts.ts';
import { type ObjectPart, objectParts, ownedTargets, readingWith } from './read.ts';
import type { DrilledPiece, DrillOptions, DrillReport, PlanOptions, RemovalPlan } from './types.ts';

const KIB = 1024;
const HOUR_MS = 3_600_000;
export const DEFAULT_RATE: number = 10 * KIB * KIB;
const DEFAULT_SAMPLE = 16;

/** A piece that the node holds. */
interface HeldPiece {
  readonly object: ObjectId;
  readonly segmentIndex: number;
  readonly pieceIndex: number;
  readonly code: Code;
  readonly lengthBytes: number;
  readonly roots: readonly PieceRoot[];
  readonly holders: readonly NodeId[];
  /** Pieces that answer beyond those that it takes, and whether this is one of them. */
  readonly margin: number;
  readonly isAnswering: boolean;
}

interface NodeFacts {
  readonly network: NetworkFacts;
  readonly node: HolderFacts;
  readonly others: readonly HolderFacts[];
}

export async function planRemoval(
  ports: StoreNamesPorts,
  prefix: string,
  options: PlanOptions,
  signal: AbortSignal,
): Promise<RemovalPlan> {
  const { bytesPerSecond = DEFAULT_RATE } = options;
  const client = await ports.chain.open(signal);
  const { value, height, timeMs } = await nodeFacts(client, prefix, options, signal);
  const { node, others } = value;
  const bytes = (node.audits?.heldKib ?? 0) * KIB;
  let [pieces, ownBytes, handedOver, atOnce] = [0, 0, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for await (const held of heldPieces(ports, client, node.node, options, signal)) {
    pieces++;
    ownBytes += held.lengthBytes;
    handedOver = Math.min(handedOver, held.margin);
    atOnce = Math.min(atOnce, held.margin - (held.isAnswering ? 1 : 0));
  }
  const takers = others.filter(({ standing }) => standing === 'healthy');
  const free = takers.reduce(
    (sum, { member, audits }) =>
      sum + Math.max(0, (member?.capacityBytes ?? 0) - (audits?.heldKib ?? 0) * KIB),
    0,
  );
  return {
    node: toHex(node.node),
    standing: node.standing,
    bytes,
    bytesPerSecond,
    hours: (bytes / bytesPerSecond) * (1000 / HOUR_MS),
    takers: takers.length,
    operators: new Set(takers.map(({ member }) => member?.operator)).size,
    freeBytes: free,
    ownPieces: pieces,
    ownBytes,
    lowestMargin: pieces === 0 ? null : handedOver,
    lowestMarginAtOnce: pieces === 0 ? null : atOnce,
    height,
    timeMs,
  };
}

export async function drillLoss(
  ports: StoreNamesPorts,
  prefix: string,
  options: DrillOptions,
  signal: AbortSignal,
): Promise<DrillReport> {
  const { sample = DEFAULT_SAMPLE } = options;
  const { context } = ports;
  const client = await ports.chain.open(signal);
  const { value } = await nodeFacts(client, prefix, options, signal);
  const chosen: HeldPiece[] = [];
  let held = 0;
  for await (const piece of heldPieces(ports, client, value.node.node, options, signal)) {
    held++;
    // Each of all pieces is as likely to be in the sample (Vitter's algorithm R).
    const at = chosen.length < sample ? chosen.length : below(context, held);
    if (at < sample) chosen[at] = piece;
  }
  const pieces: DrilledPiece[] = [];
  const startedAtMs = context.clock.monotonic();
  for (const piece of chosen) pieces.push(await drillPiece(context, value.node.node, piece, signal));
  const rebuilt = pieces.filter(({ isRebuilt }) => isRebuilt);
  return {
    node: toHex(value.node.node),
    standing: value.node.standing,
    held,
    pieces,
    rebuilt: rebuilt.length,
    rebuiltBytes: rebuilt.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0),
    fetchedBytes: pieces.reduce((sum, { fetchedBytes }) => sum + fetchedBytes, 0),
    durationMs: context.clock.monotonic() - startedAtMs,
  };
}

// ---- What the node holds -----------------------------------------------------------------------------------------

/** Throws NOT_FOUND for a node that is no member, INVALID_ARGUMENT for digits that several begin with. */
async function nodeFacts(
  client: OpenChainClient,
  prefix: string,
  events: CallEvents,
  signal: AbortSignal,
): Promise<Answer<NodeFacts>> {
  return client.read(
    (state) => {
      const network = networkFacts(state, client.network);
      const { members, rules, epoch } = network;
      const node = memberNamed(
        epoch.members.map((member) => member.node),
        prefix,
      );
      const nodes = epoch.members.map((member) => member.node);
      const facts = holdersFacts(state, members, rules, nodes);
      const others = [...facts.values()].filter((each) => !equal(each.node, node));
      return { network, node: facts.get(toHex(node))!, others };
    },
    readingWith(events, signal),
  );
}

function memberNamed(nodes: readonly NodeId[], prefix: string): NodeId {
  const named = nodes.filter((node) => toHex(node).startsWith(prefix.toLowerCase()));
  if (named.length === 1 && prefix.length >= 4) return named[0]!;
  if (named.length === 0) {
    throw new StoreError('NOT_FOUND', `no member of the network is called ${prefix}`, {
      next: 'Look with "store network".',
    });
  }
  throw new StoreError('INVALID_ARGUMENT', `${named.length} members begin with "${prefix}"`, {
    next: 'Give more digits of the node id, four at least.',
  });
}

async function* heldPieces(
  ports: StoreNamesPorts,
  client: OpenChainClient,
  node: NodeId,
  events: CallEvents,
  signal: AbortSignal,
): AsyncGenerator<HeldPiece> {
  for await (const { object } of ownedTargets(ports, events, signal)) {
    try {
      for await (const part of objectParts(client, object, readingWith(events, signal)))
        yield* piecesIn(object, part, node);
    } catch (error) {
      // It went while we looked.
      if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
    }
  }
}

function* piecesIn(object: ObjectId, part: ObjectPart, node: NodeId): Generator<HeldPiece> {
  const { shape } = part.record;
  for (const [at, { holders, roots }] of part.segments.entries()) {
    const pieceIndex = holders.findIndex((holder) => equal(holder, node));
    if (pieceIndex < 0) continue;
    const segmentIndex = part.first + at;
    const { margin } = segmentHealth(shape.code, holdingsOf(holders, part.holders));
    const { standing } = part.holders.get(toHex(node))!;
    yield {
      object,
      segmentIndex,
      pieceIndex,
      code: shape.code,
      lengthBytes: pieceLengthOf(shape, segmentIndex),
      roots,
      holders,
      margin,
      isAnswering: standing === 'healthy' || standing === 'leaving',
    };
  }
}

// ---- One piece ---------------------------------------------------------------------------------------------------

async function drillPiece(
  context: Context,
  node: NodeId,
  held: HeldPiece,
  signal: AbortSignal,
): Promise<DrilledPiece> {
  const { object, segmentIndex, pieceIndex, code, lengthBytes, roots, holders } = held;
  const startedAtMs = context.clock.monotonic();
  const pieces: Uint8Array[] = roots.map(() => new Uint8Array(0));
  const present: number[] = [];
  let fetchedBytes = 0;
  for (const [column, holder] of holders.entries()) {
    if (present.length === code.k) break;
    if (column === pieceIndex || equal(holder, node)) continue;
    const bytes = await fetched(context, held, column, signal);
    fetchedBytes += bytes?.length ?? 0;
    if (bytes === undefined || !equal(hashPiece(bytes, context.hasher).root, roots[column]!)) continue;
    pieces[column] = bytes;
    present.push(column);
  }
  const isEnough = present.length === code.k;
  if (isEnough) {
    pieces[pieceIndex] = new Uint8Array(lengthBytes);
    rebuild(code.k, pieces, present, pieceIndex);
  }
  const isRebuilt =
    isEnough && equal(hashPiece(pieces[pieceIndex]!, context.hasher).root, roots[pieceIndex]!);
  return {
    object: toHex(object),
    segment: segmentIndex,
    piece: pieceIndex,
    lengthBytes,
    fetchedBytes,
    isRebuilt,
    problem: isRebuilt
      ? null
      : isEnough
        ? `what was made has another root than ${short(roots[pieceIndex]!)}`
        : `${present.length} of ${code.k} other pieces could be had`,
    durationMs: context.clock.monotonic() - startedAtMs,
  };
}

/** Undefined when the holder does not give it. Throws ABORTED. */
async function fetched(
  context: Context,
  { object, segmentIndex, roots, holders, lengthBytes }: HeldPiece,
  column: number,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const get = { object, segmentIndex, pieceIndex: column, root: roots[column]!, range: undefined };
  try {
    return (await fetchPiece(context, holders[column]!, get, lengthBytes, { signal })).bytes;
  } catch (error) {
    throwIfAborted(signal);
    if (!(error instanceof StoreError)) throw error;
    return undefined;
  }
}

/** A whole number from 0 to `count` - 1. */
function below({ random }: Context, count: number): number {
  const [a, b, c, d] = random.bytes(4);
  return Math.floor(((a! * 2 ** 24 + b! * 2 ** 16 + c! * 2 ** 8 + d!) / 2 ** 32) * count);
}

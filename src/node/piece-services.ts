// put-piece, get-piece and locate-pieces: the services that move pieces. A piece is hashed once, on its way in; its tree
// is kept beside it, so that any range of it can be proved later without reading the rest.

import { equal, short } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import {
  CODE_PIECES_MAX,
  EXCHANGE_TIMEOUT_MS,
  MANIFEST_PAGES_MAX,
  PAGE_SEGMENTS_MAX,
  PIECE_LENGTH_MAX,
  PIECE_REQUESTS_PER_SECOND,
  READ_POOL_MAX,
  READ_SLICE_LENGTH,
  SERVICE_CONCURRENCY,
  SERVICE_HEADER_LENGTH_MAX,
} from '../base/limits.ts';
import type { ServedReply, Service } from '../base/ports.ts';
import { signConfirmation } from '../replication/confirmation.ts';
import {
  decodeGetPiece,
  decodeLocatePieces,
  decodePutPiece,
  encodeGetPieceReply,
  encodeLocated,
  encodePutReply,
  type GetPiece,
  type LocatedPiece,
  type PutPiece,
  SERVICES,
} from '../replication/messages.ts';
import type { GroupHasher } from '../replication/blake3.ts';
import { type ByteRange, coveringGroups, proveRange } from '../replication/piece-tree.ts';
import { type BodyPool, createBodyPool } from '../runtime/bulk/body-pool.ts';
import type { ByteBudget } from './byte-budget.ts';
import {
  decodePieceMeta,
  encodePieceMeta,
  locatedPiece,
  type PiecePlace,
  pieceKey,
  segmentPrefix,
} from './entry-keys.ts';
import { lazyHasher } from './group-hasher.ts';
import type { KeeperOptions, KeeperPorts } from './keeper-ports.ts';
import { checkPut, objectOf } from './permission.ts';
import { atBorder, isHere } from './stored.ts';

/** Segments are numbered below this. */
const SEGMENTS_MAX = MANIFEST_PAGES_MAX * PAGE_SEGMENTS_MAX;
/** Pieces of one segment that a node names: every index, twice over, as the reply allows. */
const LOCATED_MAX = 2 * CODE_PIECES_MAX;

const BOUNDS = {
  maxHeaderLength: SERVICE_HEADER_LENGTH_MAX,
  timeoutMs: EXCHANGE_TIMEOUT_MS,
  maxConcurrentPerPeer: SERVICE_CONCURRENCY,
  maxPerSecondPerPeer: PIECE_REQUESTS_PER_SECOND,
};

/** What all reads of pieces share. */
interface Reading {
  readonly budget: ByteBudget;
  readonly pool: BodyPool;
  readonly hasher: GroupHasher;
}

/** `budget` bounds what is being read for replies. */
export function pieceServices(ports: KeeperPorts, options: KeeperOptions, budget: ByteBudget): Service[] {
  const reading: Reading = { budget, pool: createBodyPool(READ_POOL_MAX), hasher: lazyHasher() };
  return [
    {
      ...BOUNDS,
      name: SERVICES.putPiece,
      maxBodyLength: PIECE_LENGTH_MAX,
      // The log has copied or written the piece when `put` ends.
      isBodyBorrowed: true,
      admit: async (_from, header, bodyLength) =>
        admitPiece(ports, options, decodePutPiece(header), bodyLength),
      handle: (_from, header, body) => atBorder(() => putPiece(ports, options, decodePutPiece(header), body)),
    },
    {
      ...BOUNDS,
      name: SERVICES.getPiece,
      maxBodyLength: 0,
      handle: (_from, header, _body, signal) =>
        atBorder(() => getPiece(ports, reading, decodeGetPiece(header), signal)),
    },
    {
      ...BOUNDS,
      name: SERVICES.locatePieces,
      maxBodyLength: 0,
      handle: (_from, header) => atBorder(() => locatePieces(ports, header)),
    },
  ];
}

function admitPiece(ports: KeeperPorts, options: KeeperOptions, put: PutPiece, bodyLength: number): void {
  const { segmentIndex, pieceIndex } = put;
  if (segmentIndex >= SEGMENTS_MAX || pieceIndex >= CODE_PIECES_MAX || put.lengthBytes === 0) {
    throw new StoreError(
      'INVALID_ARGUMENT',
      `there is no piece ${pieceIndex} of segment ${segmentIndex} to store`,
    );
  }
  checkPut(ports, options, put, bodyLength, { place: { segmentIndex, pieceIndex }, content: put.root });
}

async function putPiece(
  ports: KeeperPorts,
  options: KeeperOptions,
  put: PutPiece,
  body: Uint8Array,
): Promise<ServedReply> {
  const { segmentIndex, pieceIndex, root, lengthBytes, owner } = put;
  const object = objectOf(options, put);
  const hashed = await ports.coder.hashPiece(body);
  if (!equal(hashed.root, root)) {
    throw new StoreError(
      'INTEGRITY',
      `the piece sent has root ${short(hashed.root)}, its ticket ${short(root)}`,
    );
  }
  const place: PiecePlace = { object, segmentIndex, pieceIndex, root };
  const key = pieceKey(place);
  if (!(await isHere(ports, key, lengthBytes))) {
    const meta = encodePieceMeta({ ...place, owner, outboard: hashed.outboard });
    await ports.log.put({ key, meta, payload: body });
  }
  const confirmed = { network: options.network, object, segmentIndex, pieceIndex, root, lengthBytes };
  return { header: encodePutReply(signConfirmation(confirmed, ports.signer)) };
}

async function getPiece(
  ports: KeeperPorts,
  reading: Reading,
  get: GetPiece,
  signal: AbortSignal,
): Promise<ServedReply> {
  const key = pieceKey(get);
  const stat = await ports.log.stat(key);
  if (stat === undefined) {
    throw new StoreError(
      'NOT_FOUND',
      `piece ${get.pieceIndex} of segment ${get.segmentIndex} of object ${short(get.object)} is not here`,
    );
  }
  const pieceLength = stat.payloadLength;
  if (get.range === undefined) {
    const all = { offset: 0, length: pieceLength };
    const header = encodeGetPieceReply({ pieceLength, proof: [] });
    return { header, ...(await readBody(ports, reading, key, all, signal)) };
  }
  const covered = coveringGroups(pieceLength, get.range);
  const { outboard } = decodePieceMeta(stat.meta);
  const { offset, length } = get.range;
  const proof = proveRange(outboard, pieceLength, offset, length, reading.hasher);
  const header = encodeGetPieceReply({ pieceLength, proof });
  return { header, ...(await readBody(ports, reading, key, covered, signal)) };
}

/** Bytes of a piece in memory that is used again: fresh memory for each cost more than reading and sending them. */
async function readBody(
  ports: KeeperPorts,
  { budget, pool }: Reading,
  key: Uint8Array,
  { offset, length }: ByteRange,
  signal: AbortSignal,
): Promise<Pick<ServedReply, 'body' | 'release'>> {
  return await budget.use(length, signal, async () => {
    // After a failure a read may be under way that still writes here: then it is left to the garbage collector.
    const body = pool.take(length);
    for (let at = 0; at < length; at += READ_SLICE_LENGTH) {
      signal.throwIfAborted();
      const slice = body.subarray(at, at + READ_SLICE_LENGTH);
      await ports.log.read(key, offset + at, slice.length, slice);
    }
    return { body: [body], release: () => pool.give(body) };
  });
}

async function locatePieces(ports: KeeperPorts, header: Uint8Array): Promise<ServedReply> {
  const { object, segmentIndex } = decodeLocatePieces(header);
  const pieces: LocatedPiece[] = [];
  for await (const entry of ports.log.list(segmentPrefix(object, segmentIndex), LOCATED_MAX)) {
    pieces.push(locatedPiece(entry.key));
  }
  return { header: encodeLocated(pieces) };
}

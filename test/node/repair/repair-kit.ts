// A network for tests of repair: nodes with logs in memory and the real storage services, objects with real pieces, and the records of a chain
// whose rules are the real ones, executed at once and by nobody's agreement.

import { equal, toHex } from '../../../src/base/bytes.ts';
import type { EpochRecord } from '../../../src/base/epoch.ts';
import type { Digest, Epoch, NodeId, ObjectId, PieceRoot } from '../../../src/base/ids.ts';
import type { Signer } from '../../../src/base/ports.ts';
import { createKeeper } from '../../../src/node/keeper.ts';
import {
  decodePieceMeta,
  encodePieceMeta,
  objectRecordKey,
  pieceKey,
  recordKey,
} from '../../../src/node/entry-keys.ts';
import { type Holding, copiesOf, piecesOfPart } from '../../../src/node/audit/holdings-diff.ts';
import type { Moved } from '../../../src/node/audit/holdings-store.ts';
import type { OwnPlacesPorts } from '../../../src/node/repair/own-places.ts';
import { heldSegment } from '../../../src/node/repair/held-segment.ts';
import type { LostPiecesPorts } from '../../../src/node/repair/lost-pieces.ts';
import { portableHasher } from '../../../src/replication/blake3.ts';
import { amountOf } from '../../../src/shards/amounts.ts';
import { auditRoundsKey, auditRoundsRecord } from '../../../src/shards/audit-rounds.ts';
import { putBonds } from '../../../src/shards/bonds.ts';
import { type NodeRecord, putNode, takeKey } from '../../../src/shards/node.ts';
import { putStanding } from '../../../src/shards/standing.ts';
import { putSupply } from '../../../src/shards/supply.ts';
import type { Action } from '../../../src/shards/transaction.ts';
import { expect } from 'vitest';
import type { HeldPlace } from '../../../src/proofs/draw.ts';
import { isCopy, type Place, placeBytes } from '../../../src/proofs/place.ts';
import type { Code } from '../../../src/replication/code.ts';
import { encodeManifest, encodePage, segmentCapacity } from '../../../src/replication/manifest.ts';
import { hashPiece } from '../../../src/replication/piece-tree.ts';
import { segmentShape } from '../../../src/replication/segment.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createTwinCoder } from '../../../src/runtime/coder/coder.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import { MemoryLog } from '../../../src/runtime/memory-log.ts';
import { createMemoryHub, type MemoryNode } from '../../../src/runtime/memory-network.ts';
import {
  appendSegments,
  objectRecord,
  type ObjectRecord,
  putObject,
  segmentsOf,
} from '../../../src/shards/object-record.ts';
import { type ObjectShape, segmentCount, segmentsPerRecord } from '../../../src/shards/object-shape.ts';
import type { PlacedSegment } from '../../../src/shards/segments.ts';
import { currentEpochRecord } from '../../../src/shards/storage-members.ts';
import { decodeRecord } from '../../../src/shards/view.ts';
import { digestFrom } from '../../helpers/records.ts';
import { idOf, memberAt, nodeId, Objects } from '../../shards/objects.ts';
import { NETWORK, ownerOf, signerOf } from '../../shards/world.ts';
import { patterned } from '../../suites/network.ts';

export interface RepairNode {
  readonly id: NodeId;
  readonly signer: Signer;
  readonly memory: MemoryNode;
  readonly log: MemoryLog;
}

export interface PutOptions {
  readonly code?: Code;
  readonly lengthBytes?: number;
  /** Indices of nodes that hold the pieces and copies, in order; the first ones when absent. */
  readonly holders?: readonly number[];
  readonly isInline?: boolean;
}

const SEGMENT_CELLS = 16;

export class RepairWorld {
  readonly chain: Objects;
  readonly nodes: readonly RepairNode[];
  readonly lines: string[] = [];
  /** What was handed in, by whose operator, and what the chain said. */
  readonly actions: {
    readonly index: number;
    readonly action: Action;
    readonly refusal: string | undefined;
  }[] = [];
  readonly #coder = createTwinCoder();
  readonly #listeners = new Set<(moved: Moved) => void>();
  #held = new Map<string, Holding>();

  constructor(count: number) {
    this.chain = new Objects(Array.from({ length: count }, (_, index) => memberAt(index)));
    const hub = createMemoryHub();
    this.nodes = Array.from({ length: count }, (_, index) => {
      const signer = signerOf(`node ${index}`);
      const memory = hub.join(nodeId(index), { network: NETWORK, address: `/memory/${index}` });
      return { id: nodeId(index), signer, memory, log: new MemoryLog() };
    });
    for (const node of this.nodes) this.#serve(node);
  }

  get epoch(): EpochRecord {
    return this.chain.memory.run((state) => currentEpochRecord(state, NETWORK));
  }

  #serve(node: RepairNode): void {
    const keeper = createKeeper(
      {
        clock: systemClock,
        log: node.log,
        coder: this.#coder,
        signer: node.signer,
        verify: this.chain.verify,
        sha256: nativeSha256,
      },
      { network: NETWORK, epoch: () => this.epoch },
    );
    for (const service of keeper.services) node.memory.serve({ ...service, maxPerSecondPerPeer: 1_000_000 });
    for (const [index, { id }] of this.nodes.entries()) {
      node.memory.setAddresses(id, { control: [], bulk: [`/memory/${index}`] });
    }
  }

  // ---- What is stored ----------------------------------------------------------------------------------------

  /** An object of the chain whose pieces and copies all lie where it says. */
  async put(name: string, options: PutOptions = {}): Promise<ObjectId> {
    const { code = { k: 2, n: 4 }, lengthBytes = 100_000, isInline = false } = options;
    const holders = options.holders ?? Array.from({ length: code.n }, (_, index) => index);
    const shape: ObjectShape = {
      lengthBytes,
      code,
      segmentCells: SEGMENT_CELLS,
      isEncrypted: false,
      isInline,
    };
    const object = idOf('ann', name);
    const segments: PlacedSegment[] = [];
    for (let index = 0; index < segmentCount(shape); index++) {
      segments.push(await this.#putSegment(object, shape, index, holders));
    }
    const page = encodePage({
      object,
      firstSegment: 0,
      segments: segments.map((segment) => ({ ...segment, confirmations: [] })),
    });
    const salt = digestFrom(name).slice(0, 16);
    const manifest = encodeManifest({
      network: NETWORK,
      owner: ownerOf('ann'),
      salt,
      lengthBytes,
      code,
      segmentCells: SEGMENT_CELLS,
      keyCheck: undefined,
      content: isInline
        ? { kind: 'inline', salt: new Uint8Array(16), bytes: patterned(lengthBytes) }
        : { kind: 'paged', segmentCount: segments.length, pages: [nativeSha256(page) as Digest] },
    });
    const copyHolders = holders.slice(0, code.n - code.k + 1);
    for (const index of copyHolders) {
      await this.#putRecord(object, manifest, index);
      if (!isInline) await this.#putRecord(object, page, index);
    }
    const record: ObjectRecord = {
      owner: ownerOf('ann'),
      salt,
      shape,
      keyCheck: null,
      manifest: {
        digest: nativeSha256(manifest) as Digest,
        lengthBytes: manifest.length,
        holders: copyHolders.map(nodeId),
      },
      registered: 0,
      registeredAtHeight: 1,
      expiresAtMs: null,
      isLeaving: false,
      deposits: [],
    };
    this.change(() => {
      this.chain.memory.run((state) =>
        putObject(state, object, appendSegments(state, object, record, segments)),
      );
    });
    return object;
  }

  async #putSegment(
    object: ObjectId,
    { lengthBytes, code, segmentCells, isEncrypted }: ObjectShape,
    segmentIndex: number,
    holders: readonly number[],
  ): Promise<PlacedSegment> {
    const capacity = segmentCapacity(segmentCells, isEncrypted);
    const plaintextLength = Math.min(capacity, lengthBytes - segmentIndex * capacity);
    const slot = await this.#coder.acquire(segmentShape({ ...code, plaintextLength, isEncrypted }));
    let at = 0;
    for (const cell of slot.cells(0, plaintextLength)) {
      cell.set(patterned(cell.length + at + segmentIndex).subarray(at + segmentIndex));
      at += cell.length;
    }
    const roots = (await slot.encodeInPlace(undefined)) as readonly Uint8Array[] as readonly PieceRoot[];
    for (const [pieceIndex, holder] of holders.entries()) {
      const place = { object, segmentIndex, pieceIndex, root: roots[pieceIndex]! };
      const payload = slot.piece(pieceIndex).slice();
      const meta = encodePieceMeta({
        ...place,
        owner: ownerOf('ann'),
        outboard: hashPiece(payload).outboard,
      });
      await this.nodes[holder]!.log.put({ key: pieceKey(place), meta, payload });
    }
    slot.release();
    return { salt: new Uint8Array(16), roots, holders: holders.map(nodeId) };
  }

  async #putRecord(object: ObjectId, record: Uint8Array, index: number): Promise<void> {
    const digest = nativeSha256(record) as Digest;
    const empty = new Uint8Array(0);
    await this.nodes[index]!.log.put({ key: objectRecordKey(object, digest), meta: empty, payload: empty });
    await this.nodes[index]!.log.put({ key: recordKey(digest), meta: object, payload: record });
  }

  /** Everything that a node has of an object, by key in hex. */
  async entriesOf(index: number): Promise<ReadonlyMap<string, string>> {
    const { log } = this.nodes[index]!;
    const entries = new Map<string, string>();
    for await (const { key, meta, payloadLength } of log.list(new Uint8Array(0))) {
      const payload = await log.read(key, 0, payloadLength);
      entries.set(toHex(key), `${toHex(meta)} ${toHex(nativeSha256(payload))}`);
    }
    return entries;
  }

  /** A node comes back with an empty disk. */
  async wipe(index: number): Promise<void> {
    const { log } = this.nodes[index]!;
    const keys: Uint8Array[] = [];
    for await (const key of log.keys(new Uint8Array(0))) keys.push(key);
    await log.remove(keys);
  }

  // ---- What the chain says -----------------------------------------------------------------------------------

  /** Whatever `work` does to the records, listeners hear what changed hands. */
  change(work: () => void): void {
    work();
    const before = this.#held;
    this.#held = new Map(this.#holdings().map((holding) => [textOf(holding), holding]));
    const lost = [...before].filter(([text]) => !this.#held.has(text)).map(([, holding]) => holding);
    const gained = [...this.#held].filter(([text]) => !before.has(text)).map(([, holding]) => holding);
    for (const listener of this.#listeners) listener({ lost, gained });
  }

  #holdings(): readonly Holding[] {
    const objects = [...this.chain.memory.records.values()].filter(({ key }) => key.kind === 'object');
    return objects.flatMap(({ key, bytes }) => {
      const id = key.home.id as ObjectId;
      const record = decodeRecord(objectRecord, bytes);
      const parts = Math.ceil(record.registered / segmentsPerRecord(record.shape.code));
      const pieces = Array.from({ length: parts }, (_, part) =>
        piecesOfPart(
          id,
          record,
          part,
          this.chain.memory.run((state) => segmentsOf(state, id, part)),
        ),
      );
      return [...copiesOf(id, record), ...pieces.flat()];
    });
  }

  heldBy(node: NodeId): readonly HeldPlace[] {
    return this.#holdings().filter((holding) => equal(holding.node, node));
  }

  /** What repair of a node stands on. */
  portsOf(index: number): OwnPlacesPorts & {
    readonly holdings: { readonly onMoved: (listener: (moved: Moved) => void) => () => void };
  } {
    const node = this.nodes[index]!;
    const heldBy = (id: NodeId): readonly HeldPlace[] => this.heldBy(id);
    return {
      networkId: NETWORK,
      clock: systemClock,
      network: node.memory,
      coder: this.#coder,
      log: node.log,
      signer: node.signer,
      sha256: nativeSha256,
      epoch: () => this.epoch,
      logger: this.#logger(index),
      chain: { load: async (keys) => keys.map((key) => this.chain.memory.read(key)) },
      holdings: {
        isWhole: true,
        async *piecesOf(id: NodeId) {
          yield* heldBy(id);
        },
        onMoved: (listener: (moved: Moved) => void) => {
          this.#listeners.add(listener);
          return () => this.#listeners.delete(listener);
        },
      },
      isCurrent: () => true,
    };
  }

  #logger(index: number): OwnPlacesPorts['logger'] {
    const say = (facts: object, message: string): void => {
      this.lines.push(`${index} ${message} ${JSON.stringify(facts)}`);
    };
    return { debug: say, info: say, warn: say, error: say };
  }

  // ---- Standings ---------------------------------------------------------------------------------------------

  /** All members as nodes of the chain, with stake; an audit round runs. */
  registerNodes(): void {
    this.chain.memory.run((state) => {
      for (const [index, { id }] of this.nodes.entries()) {
        putNode(state, nodeRecordOf(index));
        takeKey(state, id, id);
        putBonds(state, id, [{ owner: ownerOf(`operator ${index}`), amounts: amountOf(0, STAKE) }]);
      }
      putSupply(state, { total: amountOf(0, BigInt(this.nodes.length) * STAKE), issued: [], burned: [] });
      const begun = {
        round: ROUND,
        epoch: 0 as Epoch,
        height: 9,
        timeMs: 0,
        seed: digestFrom('seed'),
        groups: 1,
      };
      state.put(auditRoundsKey(), auditRoundsRecord, [begun]);
    });
  }

  setSilent(index: number, silentRounds: number): void {
    const standing = { round: ROUND, provenHeight: 0, asked: 9, failed: 9, heldKib: 0, score: 0 };
    this.chain.memory.run((state) => putStanding(state, nodeId(index), { ...standing, silentRounds }));
  }

  retire(index: number): void {
    this.chain.memory.run((state) => putNode(state, { ...nodeRecordOf(index), isRetired: true }));
  }

  /** The members are the nodes of these indices from now on. */
  setMembers(indices: readonly number[]): void {
    this.chain.setMembers(indices.map((index) => memberAt(index)));
  }

  /** What repair of others' pieces stands on; what the chain refused stands in `refusals`. */
  lostPortsOf(index: number): LostPiecesPorts {
    const ports = this.portsOf(index);
    const nodes = this.nodes.map(({ id }) => id);
    return {
      ...ports,
      hasher: portableHasher,
      holdings: {
        ...ports.holdings,
        async *holders() {
          yield* nodes;
        },
      },
      submit: async (action) => {
        this.change(() => {
          const refusal = this.chain.do(`operator ${index}`, action.kind, action.parameters);
          this.actions.push({ index, action, refusal });
        });
      },
    };
  }

  /** Of every place: whoever the chain names has it whole. */
  async expectAllHere(object: ObjectId): Promise<void> {
    for (const { node, place } of this.#holdings()) {
      if (!equal(place.object, object)) continue;
      const log = this.nodes.find(({ id }) => equal(id, node))!.log;
      const { held } = await this.#heldAt(place);
      const key = isCopy(place) ? recordKey(held as Digest) : pieceKey({ ...place, root: held as PieceRoot });
      const { payloadLength, meta } = (await log.stat(key))!;
      const bytes = await log.read(key, 0, payloadLength);
      expect(toHex(isCopy(place) ? nativeSha256(bytes) : hashPiece(bytes).root)).toBe(toHex(held));
      if (!isCopy(place)) expect(decodePieceMeta(meta).outboard).toEqual(hashPiece(bytes).outboard);
    }
  }

  async #heldAt(place: Place): Promise<{ readonly held: Uint8Array }> {
    const source = this.portsOf(0).chain;
    const segment = await heldSegment(source, place);
    return { held: segment!.roots[place.pieceIndex]! };
  }
}

const textOf = ({ node, place, weight }: Holding): string =>
  `${toHex(node)} ${toHex(placeBytes(place))} ${weight}`;

const STAKE = 1_000_000n;
export const ROUND = 5;

function nodeRecordOf(index: number): NodeRecord {
  return {
    registration: nodeId(index),
    operator: ownerOf(`operator ${index}`),
    key: nodeId(index),
    place: index,
    registeredEpoch: 0 as Epoch,
    keyedEpoch: 0 as Epoch,
    admissionSeed: digestFrom<Digest>(`admission ${index}`),
    provenGib: 0,
    capacityBytes: 2 ** 40,
    domains: [],
    validates: true,
    acceptsDelegation: false,
    bonded: amountOf(0, STAKE),
    waiting: [],
    isRetired: false,
    isTombstoned: false,
    isJailed: false,
    jailedUntil: 0 as Epoch,
    offence: null,
  };
}

/** Waits for a condition, for a minute at most. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 60_000;
  while (!(await isTrue())) {
    if (performance.now() > endMs) throw new Error(`it did not come to pass that ${what}`);
    await systemClock.sleep(10);
  }
}

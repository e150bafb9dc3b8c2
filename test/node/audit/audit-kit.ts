// Auditors and the nodes that they audit, on a network, a chain state and logs in memory. A test drives the round itself: who asks when, and who leads.

import { concat, toHex } from '../../../src/base/bytes.ts';
import type { Epoch, NodeId, ObjectId, OwnerId, PieceRoot } from '../../../src/base/ids.ts';
import type { Signer } from '../../../src/base/ports.ts';
import { drawAsked, type HeldPlace } from '../../../src/proofs/draw.ts';
import { MemoryHoldings } from '../../../src/proofs/memory-holdings.ts';
import { PORTABLE_HASHES } from '../../../src/proofs/opening.ts';
import { weightOf } from '../../../src/proofs/place.ts';
import { AUDIT_SERVICES } from '../../../src/proofs/response.ts';
import { hashPiece } from '../../../src/replication/piece-tree.ts';
import { type AskingPorts, askGroup } from '../../../src/node/audit/asking.ts';
import { GroupAudit } from '../../../src/node/audit/group-audit.ts';
import { lead } from '../../../src/node/audit/leading.ts';
import { Receipts } from '../../../src/node/audit/receipts.ts';
import { auditServices } from '../../../src/node/audit/responder.ts';
import {
  decodeReview,
  encodeReviewReply,
  REVIEW_LENGTH_MAX,
  REVIEW_SERVICE,
} from '../../../src/node/audit/review-messages.ts';
import { review } from '../../../src/node/audit/reviewing.ts';
import type { WatchedRound } from '../../../src/node/audit/round-watcher.ts';
import type { RecordSource } from '../../../src/node/chain/settle.ts';
import { encodePieceMeta, pieceKey } from '../../../src/node/entry-keys.ts';
import { createMemoryHub, type MemoryHub, type MemoryNode } from '../../../src/runtime/memory-network.ts';
import { MemoryLog } from '../../../src/runtime/memory-log.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { nativeVerify } from '../../../src/runtime/crypto.ts';
import type { AuditGroup, AuditRound } from '../../../src/shards/audit-rounds.ts';
import { DEFAULT_AUDIT } from '../../../src/shards/audit-rules.ts';
import { putObject, putSegments } from '../../../src/shards/object-record.ts';
import type { AnchorAudit } from '../../../src/shards/operations/anchor-audit.ts';
import { pieceLengthOf } from '../../../src/shards/object-shape.ts';
import { digestFrom, signerFrom } from '../../helpers/records.ts';
import { Memory } from '../../shards/memory.ts';
import { NETWORK } from '../../shards/world.ts';
import { quietLogger } from './quiet-logger.ts';

const SEGMENTS = 6;
const SHAPE = {
  lengthBytes: SEGMENTS * 16 * 65_520 - 5,
  code: { k: 2, n: 4 },
  segmentCells: 16,
  isEncrypted: true,
  isInline: false,
} as const;

export interface Auditor {
  readonly name: string;
  readonly node: NodeId;
  readonly signer: Signer;
  readonly network: MemoryNode;
  readonly log: MemoryLog;
  readonly receipts: Receipts;
  readonly watched: WatchedRound;
  readonly audit: GroupAudit;
}

/** Four nodes with a seat each hold an object of six segments, a piece of each; one round, one group. */
export class AuditWorld {
  readonly memory: Memory = new Memory();
  readonly object: ObjectId = digestFrom<ObjectId>('object');
  readonly hub: MemoryHub = createMemoryHub();
  readonly auditors: Auditor[] = [];
  readonly names: readonly string[] = ['a', 'b', 'c', 'd'];
  readonly #pieces = PIECES;

  static async create(): Promise<AuditWorld> {
    const world = new AuditWorld();
    world.#register();
    for (const name of world.names) world.auditors.push(await world.#join(name));
    return world;
  }

  get chain(): RecordSource {
    return { load: async (keys) => keys.map((key) => this.memory.read(key)) };
  }

  nodeOf(name: string): NodeId {
    return signerFrom(`node ${name}`).publicKey as NodeId;
  }

  of(name: string): Auditor {
    return this.auditors.find((each) => each.name === name)!;
  }

  #register(): void {
    const owner = digestFrom<OwnerId>('owner');
    this.memory.run((state) => {
      putObject(state, this.object, {
        owner,
        salt: digestFrom('salt').slice(0, 16),
        shape: SHAPE,
        keyCheck: digestFrom('check').slice(0, 16),
        manifest: { digest: digestFrom('manifest'), lengthBytes: 900, holders: [] },
        registered: SEGMENTS,
        registeredAtHeight: 3,
        expiresAtMs: null,
        isLeaving: false,
        deposits: [],
      });
      this.setHolders((segment, piece) => this.names[(segment + piece) % 4]!, state);
    });
  }

  /** Whom the chain names as the holder of each piece. */
  setHolders(
    holderOf: (segment: number, piece: number) => string,
    state?: Parameters<Parameters<Memory['run']>[0]>[0],
  ): void {
    if (state === undefined) return this.memory.run((inner) => this.setHolders(holderOf, inner));
    const segments = this.#pieces.map((pieces, segment) => ({
      salt: digestFrom(`salt ${segment}`).slice(0, 16),
      roots: pieces.map(({ root }) => root),
      holders: pieces.map((_, piece) => this.nodeOf(holderOf(segment, piece))),
    }));
    putSegments(state, this.object, 0, segments);
  }

  held(name: string): readonly HeldPlace[] {
    return this.#pieces.flatMap((pieces, segmentIndex) =>
      pieces.flatMap((piece, pieceIndex) =>
        this.names[(segmentIndex + pieceIndex) % 4] === name
          ? [
              {
                place: { object: this.object, segmentIndex, pieceIndex },
                weight: weightOf(piece.payload.length),
              },
            ]
          : [],
      ),
    );
  }

  async #join(name: string): Promise<Auditor> {
    const signer = signerFrom(`node ${name}`);
    const node = signer.publicKey as NodeId;
    const network = this.hub.join(node, { address: `/memory/${name}` });
    for (const other of this.names) {
      network.setAddresses(this.nodeOf(other), { control: [], bulk: [`/memory/${other}`] });
    }
    const log = new MemoryLog();
    for (const held of this.held(name)) await this.store(log, held);
    const watched = this.#watched(node);
    const watcher = { round: (round: number) => (round === watched.round.round ? watched : undefined) };
    const audit = new GroupAudit(NETWORK, watched, watched.groups[0]!);
    const common = { network: NETWORK, verify: nativeVerify, sha256: PORTABLE_HASHES.sha256, watcher };
    const receipts = new Receipts({ ...common, self: node });
    const ports = {
      ...common,
      signer,
      log,
      clock: systemClock,
      chain: this.chain,
      receipts,
      hashes: PORTABLE_HASHES,
    };
    for (const service of auditServices(ports)) network.serve(service);
    network.serve({
      name: REVIEW_SERVICE,
      maxHeaderLength: 16,
      maxBodyLength: REVIEW_LENGTH_MAX,
      timeoutMs: 10_000,
      maxConcurrentPerPeer: 8,
      maxPerSecondPerPeer: 1000,
      handle: async (from, _header, body) => {
        const reply = await review(this.portsOf(signer, network), audit, from, decodeReview(body));
        return { header: new Uint8Array(0), body: [encodeReviewReply(reply)] };
      },
    });
    return { name, node, signer, network, log, receipts, watched, audit };
  }

  /** Puts the piece into the log as put-piece does. */
  async store(log: MemoryLog, { place }: HeldPlace): Promise<void> {
    const { payload, root, outboard } = this.#pieces[place.segmentIndex]![place.pieceIndex]!;
    const about = { ...place, root };
    const meta = encodePieceMeta({ ...about, owner: digestFrom<OwnerId>('owner'), outboard });
    await log.put({ key: pieceKey(about), meta, payload });
  }

  keyOf({ place }: HeldPlace): Uint8Array {
    const { root } = this.#pieces[place.segmentIndex]![place.pieceIndex]!;
    return pieceKey({ ...place, root });
  }

  #watched(self: NodeId): WatchedRound {
    const round: AuditRound = {
      round: 7,
      epoch: 0 as Epoch,
      height: 20,
      timeMs: 0,
      seed: digestFrom('seed'),
      groups: 1,
    };
    const nodes = this.names.map((name) => this.nodeOf(name));
    const group: AuditGroup = { round, group: 0, nodes, seats: [1, 1, 1, 1] };
    const rules = { ...DEFAULT_AUDIT, leaves: 24, sweepRounds: 4 };
    const drawn = new Map(
      this.names.map((name) => {
        const holdings = new MemoryHoldings(this.held(name));
        const node = this.nodeOf(name);
        const asked = drawAsked(round, node, holdings, rules);
        return [toHex(node), { node, asked, classes: holdings.classes() }] as const;
      }),
    );
    const validators = nodes.map((node) => ({
      node,
      power: 1n,
      registration: node,
      operator: digestFrom<OwnerId>(toHex(node)),
    }));
    return {
      round,
      rules,
      validators,
      own: drawn.get(toHex(self))!,
      ownGroup: group,
      groups: [group],
      drawn,
    };
  }

  portsOf(signer: Signer, network: MemoryNode): AskingPorts {
    return {
      networkId: NETWORK,
      signer,
      network,
      verify: nativeVerify,
      chain: this.chain,
      hashes: PORTABLE_HASHES,
      logger: quietLogger,
      answerSelf: async (header) =>
        (
          await network.call(
            signer.publicKey as NodeId,
            AUDIT_SERVICES.audit,
            { header },
            { maxBodyLength: 2 ** 24 },
          )
        ).body,
    };
  }

  /** The auditors named ask everybody. */
  async ask(names: readonly string[] = this.names): Promise<void> {
    for (const name of names) {
      const { signer, network, audit } = this.of(name);
      await askGroup(this.portsOf(signer, network), audit, new AbortController().signal);
    }
  }

  lead(name: string): Promise<AnchorAudit | undefined> {
    const { signer, network, audit } = this.of(name);
    return lead(this.portsOf(signer, network), audit, new AbortController().signal);
  }
}

/** By segment and piece, made and hashed once: hashing in plain code takes a while. */
const PIECES = Array.from({ length: SEGMENTS }, (_, segment) =>
  [0, 1, 2, 3].map((piece) => {
    const payload = bytesOf(`piece ${segment} ${piece}`, pieceLengthOf(SHAPE, segment));
    const { root, outboard } = hashPiece(payload);
    return { payload, root: root as Uint8Array as PieceRoot, outboard };
  }),
);

function bytesOf(seed: string, length: number): Uint8Array {
  const parts = Array.from({ length: Math.ceil(length / 32) }, (_, index) => digestFrom(`${seed} ${index}`));
  return concat(...parts).subarray(0, length);
}

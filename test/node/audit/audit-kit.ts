// Auditors and the nodes that they audit, on a network, a chain state and logs in memory. A test drives the rounds itself: who asks when, and who leads.
// Time passes when nothing else happens, so that who waits for an answer waits no longer than it has to.

import { concat, toHex } from '../../../src/base/bytes.ts';
import type { Epoch, NodeId, ObjectId, OwnerId, PieceRoot } from '../../../src/base/ids.ts';
import { AUDIT_ROUNDS_WATCHED, READ_BUDGET } from '../../../src/base/limits.ts';
import { StoreError } from '../../../src/base/errors.ts';
import type { Service, Signer } from '../../../src/base/ports.ts';
import { drawAsked, type HeldPlace } from '../../../src/proofs/draw.ts';
import { MemoryHoldings } from '../../../src/proofs/memory-holdings.ts';
import { PORTABLE_HASHES } from '../../../src/proofs/opening.ts';
import { weightOf } from '../../../src/proofs/place.ts';
import { AUDIT_SERVICES } from '../../../src/proofs/response.ts';
import { SERVICES } from '../../../src/replication/messages.ts';
import { encode } from '../../../src/replication/reed-solomon.ts';
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
import { createByteBudget } from '../../../src/node/byte-budget.ts';
import { encodePieceMeta, pieceKey } from '../../../src/node/entry-keys.ts';
import { pieceServices } from '../../../src/node/piece-services.ts';
import { createMemoryHub, type MemoryHub, type MemoryNode } from '../../../src/runtime/memory-network.ts';
import { MemoryLog } from '../../../src/runtime/memory-log.ts';
import { nativeVerify } from '../../../src/runtime/crypto.ts';
import type { AuditGroup, AuditRound } from '../../../src/shards/audit-rounds.ts';
import { type AuditRules, DEFAULT_AUDIT } from '../../../src/shards/audit-rules.ts';
import { putObject, putSegments } from '../../../src/shards/object-record.ts';
import type { AnchorAudit } from '../../../src/shards/operations/anchor-audit.ts';
import { pieceLengthOf } from '../../../src/shards/object-shape.ts';
import type { SetEntries } from '../../../src/shards/validator-sets.ts';
import { digestFrom, sampleEpoch, signerFrom } from '../../helpers/records.ts';
import { Memory } from '../../shards/memory.ts';
import { NETWORK } from '../../shards/world.ts';
import { IdleClock } from './idle-clock.ts';
import { quietLogger } from './quiet-logger.ts';

const SEGMENTS = 6;
const SHAPE = {
  lengthBytes: SEGMENTS * 16 * 65_520 - 5,
  code: { k: 2, n: 4 },
  segmentCells: 16,
  isEncrypted: true,
  isInline: false,
} as const;

/** Time for one pass of asking, of which a test may use all. */
const PASS_MS = 60_000;
const RULES: AuditRules = { ...DEFAULT_AUDIT, leaves: 24, sweepRounds: 4 };

export interface Auditor {
  readonly name: string;
  readonly node: NodeId;
  readonly signer: Signer;
  readonly network: MemoryNode;
  readonly log: MemoryLog;
  readonly receipts: Receipts;
  /** What it serves, by name: `network.serve` with the same name takes its place. */
  readonly services: ReadonlyMap<string, Service>;
  /** Of the last round. */
  watched: WatchedRound;
  audit: GroupAudit;
}

export interface WorldOptions {
  readonly names?: readonly string[];
  readonly signerOf?: (name: string) => Signer;
  readonly rules?: Partial<AuditRules>;
}

/** Whose seats count, in a group of all. */
export interface Seated {
  readonly validators: SetEntries;
  readonly group: AuditGroup;
}

/** Nodes that are auditors of each other hold an object of six segments, a piece of each of four; all are one group. */
export class AuditWorld {
  readonly memory: Memory = new Memory();
  readonly object: ObjectId = digestFrom<ObjectId>('object');
  readonly clock: IdleClock = new IdleClock();
  readonly hub: MemoryHub = createMemoryHub({ clock: this.clock });
  readonly auditors: Auditor[] = [];
  readonly names: readonly string[];
  readonly rules: AuditRules;
  readonly #signers: ReadonlyMap<string, Signer>;
  readonly #pieces = PIECES;
  /** By segment and piece: names. */
  #holders: string[][] = [];

  constructor({ names = ['a', 'b', 'c', 'd'], signerOf, rules }: WorldOptions = {}) {
    this.names = names;
    this.rules = { ...RULES, ...rules };
    this.#signers = new Map(
      names.map((name) => [name, signerOf?.(name) ?? signerFrom(`node ${name}`)] as const),
    );
  }

  /** With one round that has begun, in which each has a seat, or as `seated` says. */
  static async create(options: WorldOptions = {}, seated?: Seated): Promise<AuditWorld> {
    const world = new AuditWorld(options);
    world.#register();
    const begun = seated ?? world.#even();
    for (const name of world.names) world.auditors.push(await world.#join(name, begun));
    return world;
  }

  get chain(): RecordSource {
    return { load: async (keys) => keys.map((key) => this.memory.read(key)) };
  }

  nodeOf(name: string): NodeId {
    return this.#signers.get(name)!.publicKey as NodeId;
  }

  of(name: string): Auditor {
    return this.auditors.find((each) => each.name === name)!;
  }

  // ---- The chain ---------------------------------------------------------------------------------------------

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
      this.setHolders((segment, piece) => this.names[(segment + piece) % this.names.length]!, state);
    });
  }

  /** Whom the chain names as the holder of each piece. */
  setHolders(
    holderOf: (segment: number, piece: number) => string,
    state?: Parameters<Parameters<Memory['run']>[0]>[0],
  ): void {
    if (state === undefined) return this.memory.run((inner) => this.setHolders(holderOf, inner));
    this.#holders = this.#pieces.map((pieces, segment) => pieces.map((_, piece) => holderOf(segment, piece)));
    const segments = this.#pieces.map((pieces, segment) => ({
      salt: digestFrom(`salt ${segment}`).slice(0, 16),
      roots: pieces.map(({ root }) => root),
      holders: this.#holders[segment]!.map((name) => this.nodeOf(name)),
    }));
    putSegments(state, this.object, 0, segments);
  }

  held(name: string): readonly HeldPlace[] {
    return this.#pieces.flatMap((pieces, segmentIndex) =>
      pieces.flatMap((piece, pieceIndex) =>
        this.#holders[segmentIndex]![pieceIndex] === name
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

  rootOf({ segmentIndex, pieceIndex }: HeldPlace['place']): PieceRoot {
    return this.#pieces[segmentIndex]![pieceIndex]!.root;
  }

  payloadLength({ segmentIndex, pieceIndex }: HeldPlace['place']): number {
    return this.#pieces[segmentIndex]![pieceIndex]!.payload.length;
  }

  /** Hashes above the groups of a piece. */
  outboardOf({ segmentIndex, pieceIndex }: HeldPlace['place']): Uint8Array {
    return this.#pieces[segmentIndex]![pieceIndex]!.outboard;
  }

  /** Of a place, by the chain. */
  holderOf({ segmentIndex, pieceIndex }: HeldPlace['place']): NodeId {
    return this.nodeOf(this.#holders[segmentIndex]![pieceIndex]!);
  }

  keyOf({ place }: HeldPlace): Uint8Array {
    return pieceKey({ ...place, root: this.rootOf(place) });
  }

  // ---- Nodes -------------------------------------------------------------------------------------------------

  async #join(name: string, seated: Seated): Promise<Auditor> {
    const signer = this.#signers.get(name)!;
    const node = signer.publicKey as NodeId;
    const network = this.hub.join(node, { address: `/memory/${name}` });
    for (const other of this.names) {
      network.setAddresses(this.nodeOf(other), { control: [], bulk: [`/memory/${other}`] });
    }
    const log = new MemoryLog();
    for (const held of this.held(name)) await this.store(log, held);
    const watched = this.#watched(node, seated);
    const rounds: WatchedRound[] = [];
    const watcher = {
      rounds,
      round: (round: number) => rounds.find((each) => each.round.round === round),
    };
    const common = { network: NETWORK, verify: nativeVerify, sha256: PORTABLE_HASHES.sha256, watcher };
    const receipts = new Receipts({ ...common, self: node });
    const services = this.#services(name, { ...common, signer, log, receipts });
    for (const service of services) network.serve(service);
    const auditor: Auditor = {
      name,
      node,
      signer,
      network,
      log,
      receipts,
      services: new Map(services.map((service) => [service.name, service])),
      watched,
      audit: this.#groupAudit(watched),
    };
    rounds.push(watched);
    this.#rounds.set(name, rounds);
    return auditor;
  }

  /** By name, what its watcher says. */
  readonly #rounds = new Map<string, WatchedRound[]>();

  #services(
    name: string,
    common: Omit<Parameters<typeof auditServices>[0], 'clock' | 'chain' | 'hashes'> &
      Pick<AskingPorts, 'verify'>,
  ): readonly Service[] {
    const { chain, clock } = this;
    const ports = { ...common, clock, chain, hashes: PORTABLE_HASHES };
    const keeper = {
      ...ports,
      coder: NO_CODER,
      log: common.log as MemoryLog,
      sha256: PORTABLE_HASHES.sha256,
    };
    const reads = pieceServices(
      keeper,
      { network: NETWORK, epoch: () => sampleEpoch([]) },
      createByteBudget(READ_BUDGET),
    ).filter((service) => service.name === SERVICES.getPiece);
    return [...auditServices(ports), this.#reviewService(name), ...reads];
  }

  #reviewService(name: string): Service {
    return {
      name: REVIEW_SERVICE,
      maxHeaderLength: 16,
      maxBodyLength: REVIEW_LENGTH_MAX,
      timeoutMs: 10_000,
      maxConcurrentPerPeer: 8,
      maxPerSecondPerPeer: 100_000,
      handle: async (from, _header, body) => {
        const { signer, network, audit } = this.of(name);
        const asked = decodeReview(body);
        if (asked.round !== audit.watched.round.round || asked.group !== audit.group.group) {
          throw new StoreError('NOT_FOUND', 'no such group is audited here');
        }
        const reply = await review(this.portsOf(signer, network), audit, from, asked);
        return { header: new Uint8Array(0), body: [encodeReviewReply(reply)] };
      },
    };
  }

  /** Puts the piece into the log as put-piece does. */
  async store(log: MemoryLog, { place }: HeldPlace): Promise<void> {
    const { payload, root, outboard } = this.#pieces[place.segmentIndex]![place.pieceIndex]!;
    const about = { ...place, root };
    const meta = encodePieceMeta({ ...about, owner: digestFrom<OwnerId>('owner'), outboard });
    await log.put({ key: pieceKey(about), meta, payload });
  }

  portsOf(signer: Signer, network: MemoryNode): AskingPorts {
    return {
      networkId: NETWORK,
      signer,
      network,
      verify: nativeVerify,
      chain: this.chain,
      hashes: PORTABLE_HASHES,
      clock: this.clock,
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

  // ---- Rounds ------------------------------------------------------------------------------------------------

  /** The round that a world begins with. */
  #even(): Seated {
    const nodes = this.names.map((name) => this.nodeOf(name));
    const round: AuditRound = {
      round: 7,
      epoch: 0 as Epoch,
      height: 20,
      timeMs: 0,
      seed: digestFrom('seed'),
      groups: 1,
    };
    const validators = nodes.map((node) => ({
      node,
      power: 1n,
      registration: node,
      operator: digestFrom<OwnerId>(toHex(node)),
    }));
    return { validators, group: { round, group: 0, nodes, seats: nodes.map(() => 1) } };
  }

  /** Another round begins for everybody. */
  begin(seated: Seated): void {
    this.clock.advance(this.rules.roundMs);
    for (const auditor of this.auditors) {
      auditor.watched = this.#watched(auditor.node, seated);
      auditor.audit = this.#groupAudit(auditor.watched);
      const rounds = this.#rounds.get(auditor.name)!;
      rounds.push(auditor.watched);
      if (rounds.length > AUDIT_ROUNDS_WATCHED) rounds.shift();
    }
  }

  #groupAudit(watched: WatchedRound): GroupAudit {
    return new GroupAudit(NETWORK, watched, watched.groups[0]!, { left: 2 ** 24 });
  }

  #watched(self: NodeId, { validators, group }: Seated): WatchedRound {
    const { round } = group;
    const drawn = new Map(
      this.names.map((name) => {
        const holdings = new MemoryHoldings(this.held(name));
        const node = this.nodeOf(name);
        const asked = drawAsked(round, node, holdings, this.rules);
        return [toHex(node), { node, asked, classes: holdings.classes() }] as const;
      }),
    );
    return {
      round,
      rules: this.rules,
      validators,
      own: drawn.get(toHex(self))!,
      ownGroup: group,
      groups: [group],
      drawn,
    };
  }

  /** The auditors named ask everybody, for the last time unless they are told that there will be another. */
  async ask(names: readonly string[] = this.names, isLast = true): Promise<void> {
    for (const name of names) {
      const { signer, network, audit } = this.of(name);
      const untilMs = this.clock.monotonic() + PASS_MS;
      await askGroup(this.portsOf(signer, network), audit, untilMs, new AbortController().signal);
      if (isLast) audit.endAsking();
    }
  }

  lead(name: string): Promise<AnchorAudit | undefined> {
    const { signer, network, audit } = this.of(name);
    return lead(this.portsOf(signer, network), audit, new AbortController().signal);
  }
}

/** Nobody brings pieces here. */
const NO_CODER = {
  hashPiece: (): Promise<never> => Promise.reject(new Error('no piece is brought')),
};

/** By segment and piece, made and hashed once: hashing in plain code takes a while. */
const PIECES = Array.from({ length: SEGMENTS }, (_, segment) => {
  const { k, n } = SHAPE.code;
  const length = pieceLengthOf(SHAPE, segment);
  const payloads = Array.from({ length: n }, (_unused, piece) =>
    piece < k ? bytesOf(`piece ${segment} ${piece}`, length) : new Uint8Array(length),
  );
  encode(k, payloads);
  return payloads.map((payload) => {
    const { root, outboard } = hashPiece(payload);
    return { payload, root: root as Uint8Array as PieceRoot, outboard };
  });
});

function bytesOf(seed: string, length: number): Uint8Array {
  const parts = Array.from({ length: Math.ceil(length / 32) }, (_, index) => digestFrom(`${seed} ${index}`));
  return concat(...parts).slice(0, length);
}

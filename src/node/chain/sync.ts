// Catching up: decisions that were made elsewhere, one after the other, each checked by its certificate against the validators that the state
// here names. Nobody is trusted: who claims a height and does not give its decisions, or gives wrong ones, is not asked for a while.
//
// Those validators are believed only as long as they answer for what they sign: who was away for longer takes no decision on their word, but
// on that of its operator, who names a block.
//
// Sync and a running validator never work at the same time: the service starts one when the other has ended.
//
// Invariants: one fetch at a time; a fetch is bounded in blocks and bytes; a round of questions asks each peer once.

import { short, toHex } from '../../base/bytes.ts';
import { StoreError, toStoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import {
  DECISIONS_LENGTH_MAX,
  DECISIONS_MAX,
  LIGHT_BLOCK_LENGTH_MAX,
  STATE_SYNC_BEHIND,
  SYNC_ASK_TIMEOUT_MS,
  SYNC_BAR_MS,
  SYNC_FETCH_TIMEOUT_MS,
  SYNC_PEERS_MAX,
  SYNC_POLL_MS,
  VOUCHED_BLOCKS_MAX,
} from '../../base/limits.ts';
import type { Clock, Network } from '../../base/ports.ts';
import type { TrustedBlock } from '../../client/chain/light-client.ts';
import { TrustExpired } from '../../client/chain/trust-lost.ts';
import type { CommitCertificate } from '../../consensus/types.ts';
import { CHAIN_SERVICES, encodeNothing } from '../../shards/chain-messages.ts';
import { decodeHeader } from '../../shards/header.ts';
import { decodeLightBlock } from '../../shards/light-block.ts';
import {
  DECISIONS_REPLY_LENGTH_MAX,
  decodeDecisionsReply,
  encodeDecisions,
} from '../../shards/sync-messages.ts';
import type { Chain } from './chain.ts';
import { headerBytesOf } from './light-blocks.ts';

export interface SyncPorts {
  readonly chain: Chain;
  readonly network: Pick<Network, 'call'>;
  readonly clock: Pick<Clock, 'monotonic' | 'now' | 'timer'>;
  /** Nodes that may be asked, best first. */
  readonly peers: () => readonly NodeId[];
  /** The chain failed, or this node cannot go on. */
  readonly failed: (error: StoreError) => void;
  readonly noted: (node: NodeId, error: StoreError) => void;
  /** A round of questions found nobody ahead. */
  readonly caughtUp: () => void;
  /** For how long what is here is enough to judge decisions by. */
  readonly trustPeriodMs: () => Promise<number>;
  /** A block that the operator vouches for. */
  readonly trust: TrustedBlock | undefined;
  /**
   * Nodes speak of later heights and do not have the next one any more (`isGone`), or a new node has a very long way before it. True when
   * that is proven and block after block is not the way: somebody else sees to it, and nobody is caught up.
   */
  readonly isTooFar: (isGone: boolean, signal: AbortSignal) => Promise<boolean>;
}

interface Claim {
  readonly node: NodeId;
  readonly height: number;
}

export class BlockSync {
  readonly #ports: SyncPorts;
  /** Until when a node is not asked. */
  readonly #barred = new Map<string, number>();
  /** What nodes said of their heights since the last round. */
  readonly #claims = new Map<string, Claim>();
  /** Rounds of questions. */
  #turn = 0;
  /** The height that a node said it does not have any more. */
  #goneHeight: number | undefined;
  #run: AbortController | undefined;
  #ended: Promise<void> = Promise.resolve();
  #wake = Promise.withResolvers<void>();
  /** The next height as it was when somebody last proved that it is over. */
  #lastOver: number | undefined;
  /** When nobody was ahead the last time, by the wall clock: what is here was the newest then, however old. */
  #currentAtMs = 0;
  /** Bytes that are asked for at once: fewer after an answer that came too late, more after each that came. */
  #lengthBytes = DECISIONS_LENGTH_MAX;

  constructor(ports: SyncPorts) {
    this.#ports = ports;
  }

  get isRunning(): boolean {
    return this.#run !== undefined;
  }

  start(): void {
    if (this.#run !== undefined) return;
    const run = new AbortController();
    this.#run = run;
    this.#ended = this.#loop(run.signal).catch((error: unknown) => {
      if (!run.signal.aborted) this.#ports.failed(toStoreError(error, 'INTERNAL', 'block sync'));
    });
  }

  /** Resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#run?.abort();
    this.#run = undefined;
    this.#wake.resolve();
    await this.#ended;
  }

  /**
   * Whether somebody proves that the next height is over. For who does not sync: nothing is committed. Who is one decision behind may
   * get it any moment from the others who vote; but at a border of epochs all who have it may be none of those any more. So it is
   * told of that at the second asking.
   */
  async isBehind(signal: AbortSignal): Promise<boolean> {
    const { chain } = this.#ports;
    await this.#askAround(signal);
    // Of those now: gossip may add to them without end.
    for (const { node, height } of this.#takeClaims()) {
      const next = chain.next.height;
      if (height < next || this.#isBarred(node)) continue;
      try {
        const [decision] = await this.#decisions(node, next, signal, 1);
        if (decision === undefined || chain.next.height !== next) continue;
        chain.checkDecision(decision.certificate, decision.block);
        if (height > next || this.#lastOver === next) return true;
        this.#lastOver = next;
        return false;
      } catch (error) {
        this.#lost(node, toStoreError(error, 'INTERNAL', 'block sync'), signal);
      }
    }
    if (this.#tookGone()) await this.#ports.isTooFar(true, signal);
    else await this.#noteCurrent();
    return false;
  }

  /** What was here when the node began to look may have been too old: that nobody claims more then says nothing. */
  async #noteCurrent(): Promise<void> {
    if (!(await this.#isTrustOver())) this.#currentAtMs = this.#ports.clock.now();
  }

  async #isTrustOver(): Promise<boolean> {
    const { chain, clock, trustPeriodMs } = this.#ports;
    const sinceMs = Math.max(chain.head.timeMs, this.#currentAtMs);
    return clock.now() - sinceMs > (await trustPeriodMs());
  }

  /** Whether a node said that it does not have what comes next here. */
  #tookGone(): boolean {
    const isGone = this.#goneHeight === this.#ports.chain.next.height;
    this.#goneHeight = undefined;
    return isGone;
  }

  /** A node speaks of a decided height. */
  heard(node: NodeId, height: number): void {
    if (height <= this.#ports.chain.head.height) return;
    remember(this.#claims, toHex(node), { node, height });
    this.#wake.resolve();
  }

  /** A decision that a node passed on. False when it is not the next one; throws PROTOCOL when it does not hold. */
  async take(node: NodeId, certificate: CommitCertificate, block: Uint8Array | undefined): Promise<boolean> {
    const { chain } = this.#ports;
    const isNext = certificate.height === chain.next.height;
    if (!this.isRunning || !isNext || block === undefined || (await this.#isTrustOver())) {
      this.heard(node, certificate.height);
      return false;
    }
    await chain.commit(certificate, block);
    return true;
  }

  // ---- Rounds ------------------------------------------------------------------------------------------------

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const before = this.#ports.chain.head.height;
      await this.#askAround(signal);
      if (this.#hasLongWay && (await this.#ports.isTooFar(false, signal))) return;
      if (await this.#needsState(signal)) return;
      await this.#fetchClaimed(signal);
      if (signal.aborted) return;
      // Also after some came: whoever could say so again is not asked for a while.
      if (this.#tookGone() && (await this.#ports.isTooFar(true, signal))) return;
      if (signal.aborted) return;
      if (this.#ports.chain.head.height > before) continue;
      await this.#noteCurrent();
      this.#ports.caughtUp();
      await this.#rest(signal);
    }
  }

  /** Whoever has nothing yet and much before it. */
  get #hasLongWay(): boolean {
    const { height } = this.#ports.chain.head;
    return height === 0 && [...this.#claims.values()].some((claim) => claim.height > STATE_SYNC_BEHIND);
  }

  /** Of who is too old to judge decisions, and is told of no block near that leads on. */
  async #needsState(signal: AbortSignal): Promise<boolean> {
    if (this.#claims.size === 0 || this.#vouched > 0 || !(await this.#isTrustOver())) return false;
    return this.#ports.isTooFar(true, signal);
  }

  /** How many blocks lead to the one that the operator names; 0 when there is none, or it is far. */
  get #vouched(): number {
    const { chain, trust } = this.#ports;
    const count = (trust?.height ?? 0) - chain.head.height;
    return count > 0 && count <= VOUCHED_BLOCKS_MAX ? count : 0;
  }

  async #rest(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#wake = Promise.withResolvers<void>();
    const cancel = this.#ports.clock.timer(SYNC_POLL_MS, () => this.#wake.resolve());
    await this.#wake.promise;
    cancel();
  }

  /** Where the others are. Silence is no claim. */
  async #askAround(signal: AbortSignal): Promise<void> {
    const peers = this.#ports.peers().filter((node) => !this.#isBarred(node));
    // Others each time: some that are silent must not stand in front of the rest for ever.
    const first = peers.length === 0 ? 0 : (this.#turn++ * SYNC_PEERS_MAX) % peers.length;
    const asked = [...peers.slice(first), ...peers.slice(0, first)].slice(0, SYNC_PEERS_MAX);
    await Promise.all(
      asked.map(async (node) => {
        const height = await this.#headOf(node, signal);
        if (height !== undefined) this.heard(node, height);
      }),
    );
  }

  async #headOf(node: NodeId, signal: AbortSignal): Promise<number | undefined> {
    try {
      const reply = await this.#ports.network.call(
        node,
        CHAIN_SERVICES.head,
        { header: encodeNothing() },
        { signal, timeoutMs: SYNC_ASK_TIMEOUT_MS, maxBodyLength: LIGHT_BLOCK_LENGTH_MAX },
      );
      return decodeLightBlock(reply.body).header.height;
    } catch {
      return undefined;
    }
  }

  /** From whoever claims most on: each of them once, so that nobody keeps the others from their turn. */
  async #fetchClaimed(signal: AbortSignal): Promise<void> {
    for (const claim of this.#takeClaims()) {
      if (signal.aborted) return;
      if (claim.height > this.#ports.chain.head.height && !this.#isBarred(claim.node)) {
        await this.#fetchFrom(claim, signal);
      }
    }
  }

  /** What was claimed since the last time, the highest first. */
  #takeClaims(): readonly Claim[] {
    const claims = [...this.#claims.values()].sort((a, b) => b.height - a.height);
    this.#claims.clear();
    return claims;
  }

  async #fetchFrom({ node, height }: Claim, signal: AbortSignal): Promise<void> {
    const { chain } = this.#ports;
    try {
      if (await this.#isTrustOver()) await this.#fetchVouched(node, signal);
      while (chain.head.height < height && !signal.aborted) {
        const from = chain.next.height;
        const decisions = await this.#decisions(node, from, signal);
        if (decisions.length === 0) {
          throw new StoreError(
            'PROTOCOL',
            `node ${short(node)} claims height ${height} and gives no ${from}`,
          );
        }
        for (const [index, { certificate, block }] of decisions.entries()) {
          if (signal.aborted) return;
          if (certificate.height !== from + index) {
            throw new StoreError(
              'PROTOCOL',
              `node ${short(node)} gives other decisions than it is asked for`,
            );
          }
          await chain.commit(certificate, block);
        }
      }
    } catch (error) {
      this.#lost(node, toStoreError(error, 'INTERNAL', 'block sync'), signal);
    }
  }

  /**
   * Up to the block that the operator names, if it is not far: all of them are here and lead to it before the first is taken. Throws TrustExpired
   * when there is no such block, and a decision proves that the chain has gone on without this node, or that old keys are abused.
   */
  async #fetchVouched(node: NodeId, signal: AbortSignal): Promise<void> {
    const { chain, trust } = this.#ports;
    const { head } = chain;
    const from = chain.next.height;
    const decisions: { readonly block: Uint8Array; readonly certificate: CommitCertificate }[] = [];
    const wanted = this.#vouched;
    const isNear = wanted > 0;
    do {
      const some = await this.#decisions(node, from + decisions.length, signal, isNear ? wanted : 1);
      if (some.length === 0) throw new StoreError('PROTOCOL', `node ${short(node)} gives no ${from}`);
      decisions.push(...some);
    } while (decisions.length < wanted && isNear && !signal.aborted);
    chain.checkDecision(decisions[0]!.certificate, decisions[0]!.block);
    if (signal.aborted) return;
    if (!isNear) throw new TrustExpired(head);
    let id = trust!.id;
    for (const { block } of decisions.slice(0, wanted).toReversed()) {
      if (chain.idOf(block) !== toHex(id))
        throw new StoreError(
          'PROTOCOL',
          `node ${short(node)} gives other blocks than those below ${toHex(trust!.id)}`,
        );
      id = decodeHeader(headerBytesOf(block)).parent;
    }
    for (const { certificate, block } of decisions.slice(0, wanted)) await chain.commit(certificate, block);
    this.#currentAtMs = this.#ports.clock.now();
  }

  async #decisions(
    node: NodeId,
    from: number,
    signal: AbortSignal,
    count: number = DECISIONS_MAX,
  ): Promise<ReturnType<typeof decodeDecisionsReply>> {
    const header = encodeDecisions({ from, count, lengthBytes: this.#lengthBytes });
    const options = {
      signal,
      timeoutMs: SYNC_FETCH_TIMEOUT_MS,
      maxBodyLength: DECISIONS_REPLY_LENGTH_MAX,
    };
    const reply = await this.#ports.network
      .call(node, CHAIN_SERVICES.decisions, { header }, options)
      .catch((error: unknown) => {
        throw refusalOf(node, error);
      });
    this.#lengthBytes = Math.min(DECISIONS_LENGTH_MAX, 2 * this.#lengthBytes);
    return decodeDecisionsReply(reply.body);
  }

  /** What is wrong with the chain ends it; what is wrong with a node ends what it is asked, and only for a moment where it may be the way. */
  #lost(node: NodeId, error: StoreError, signal: AbortSignal): void {
    if (signal.aborted) return;
    if (CHAIN_FAILURES.has(error.code) || error instanceof TrustExpired) throw error;
    this.#claims.delete(toHex(node));
    if (error.code === 'NOT_FOUND') this.#goneHeight = this.#ports.chain.next.height;
    if (error.code === 'TIMEOUT') this.#lengthBytes = Math.max(LENGTH_MIN, this.#lengthBytes / 2);
    const barMs = SILENCE.has(error.code) ? SYNC_POLL_MS : SYNC_BAR_MS;
    remember(this.#barred, toHex(node), this.#ports.clock.monotonic() + barMs);
    this.#ports.noted(node, error);
  }

  #isBarred(node: NodeId): boolean {
    const until = this.#barred.get(toHex(node));
    if (until === undefined) return false;
    if (until > this.#ports.clock.monotonic()) return true;
    this.#barred.delete(toHex(node));
    return false;
  }
}

/** Anybody may claim something: of many, only the latest are kept in mind. */
const REMEMBERED_MAX = 16 * SYNC_PEERS_MAX;

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > REMEMBERED_MAX) map.delete(map.keys().next().value!);
}

/** Whatever code another node gives its refusal, it says nothing about the chain here. */
function refusalOf(node: NodeId, error: unknown): StoreError {
  const { code, message } = toStoreError(error, 'INTERNAL', 'block sync');
  return new StoreError(
    CHAIN_FAILURES.has(code) ? 'UNREACHABLE' : code,
    `node ${short(node)} gives no decisions: ${message}`,
  );
}

/** One block comes however long it is. */
const LENGTH_MIN = DECISIONS_LENGTH_MAX / 64;
/** Nobody knows whose fault it is; and to have given up old blocks is none. */
const SILENCE: ReadonlySet<string> = new Set(['TIMEOUT', 'UNREACHABLE', 'BUSY', 'NOT_FOUND']);
const CHAIN_FAILURES: ReadonlySet<string> = new Set(['INTERNAL', 'DISK', 'DAMAGED', 'CLOSED']);

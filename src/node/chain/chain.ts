// A node's chain: makes blocks, judges them and executes those that were decided, one task after the other, on the state of its store.
// It decides nothing about agreement: who calls `commit` has a certificate.
//
// Invariants: the head only moves forward, by blocks that a certificate decided and that are valid here; no block makes or loses
// tokens; what a commit says is durable when it resolves; after a failed commit nothing is done any more, because what is on the
// disk is not known.

import { assert } from '../../base/assert.ts';
import { fromHex, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { Digest } from '../../base/ids.ts';
import { DECODED_STATE_LENGTH_MAX } from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import { checkCertificate } from '../../consensus/certificate.ts';
import type { BlockId, CommitCertificate } from '../../consensus/types.ts';
import { applyBlock, type Invalid } from '../../shards/apply.ts';
import { type Block, blockIdOf, decodeBlock } from '../../shards/block.ts';
import { auditChanges, isConserved } from '../../shards/conservation.ts';
import type { Executed } from '../../shards/session.ts';
import type { StateKey } from '../../shards/state-key.ts';
import type { KnownTransactions } from '../../shards/transaction.ts';
import { LoadedState, Overlay } from '../../shards/view.ts';
import { BlockBudget } from './block-budget.ts';
import { makeBlock, type Proposing } from './block-maker.ts';
import { type ChainRules, type HeightRoles, nextHeight, type NextHeight } from './next-height.ts';
import { settle } from './settle.ts';
import { TaskQueue } from './task-queue.ts';
import type { ChainStore, Decided, Head } from './types.ts';

export interface ChainPorts extends ChainRules {
  readonly store: ChainStore;
  readonly clock: Pick<Clock, 'now'>;
}

export interface Committed extends Decided {
  readonly head: Head;
  readonly executed: Executed;
}

interface Judged {
  readonly block: Block;
  readonly executed: Executed;
}

/** Roles of the heights from `from` on. */
interface Term {
  readonly from: number;
  readonly roles: HeightRoles;
}

/** Terms that are remembered: messages of heights long gone need no answer. */
const TERMS_KEPT = 3;
/** Decisions further from the head are no news. */
const NEWS_HEIGHTS = 2;

export class Chain {
  /** How long a block of this node may be. */
  readonly budget: BlockBudget = new BlockBudget();
  readonly #ports: ChainPorts;
  readonly #tasks = new TaskQueue();
  readonly #listeners = new Set<(committed: Committed) => void>();
  /** Blocks of the height under way that are valid, by id. */
  readonly #judged = new Map<BlockId, Judged>();
  /** What was read of the state after the head, for all that is done on it. */
  #loaded: LoadedState;
  #known: KnownTransactions = () => undefined;
  /** Of that height, those that are on the disk. */
  readonly #durable = new Set<BlockId>();
  readonly #terms: Term[] = [];
  #head: Head;
  #next: NextHeight;
  /** Of the head; null at genesis. */
  #lastCommit: CommitCertificate | null;
  #failure: StoreError | undefined;

  private constructor(
    ports: ChainPorts,
    next: NextHeight,
    lastCommit: CommitCertificate | null,
    loaded: LoadedState,
  ) {
    const { head } = ports.store;
    assert(head !== undefined, 'a chain has a genesis');
    this.#ports = ports;
    this.#head = head;
    this.#next = next;
    this.#lastCommit = lastCommit;
    this.#loaded = loaded;
    this.#terms.push({ from: next.height, roles: next.roles });
  }

  /** On a store that has a head. Throws DAMAGED when the certificate of its last block is gone. */
  static async open(ports: ChainPorts): Promise<Chain> {
    const { store } = ports;
    const { head } = store;
    assert(head !== undefined, 'a chain has a genesis');
    const loaded = new LoadedState();
    const next = await nextHeight(store, loaded, head, ports, undefined);
    if (head.height === 0) return new Chain(ports, next, null, loaded);
    const decision = await store.decision(head.height);
    if (decision === undefined) throw new StoreError('DAMAGED', `block ${head.height} of the chain is gone`);
    return new Chain(ports, next, decision.certificate, loaded);
  }

  get head(): Head {
    return this.#head;
  }

  get next(): NextHeight {
    return this.#next;
  }

  /** It was closed or has failed: its head moves no more. */
  get isOver(): boolean {
    return this.#failure !== undefined;
  }

  /** Of the height to come, those of the last epochs, and later ones as far as they are settled. */
  rolesAt(height: number): HeightRoles | undefined {
    const { context } = this.#next;
    if (height > this.#next.height && context.isBorder) return undefined;
    if (height > this.#next.height + 1) return undefined;
    return this.#terms.findLast(({ from }) => from <= height)?.roles;
  }

  /** `listener` is told of every commit, after it is durable. The returned function ends that. */
  onCommit(listener: (committed: Committed) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads records of the state after the head. */
  load(keys: readonly StateKey[]): ReturnType<ChainStore['load']> {
    return this.#ports.store.load(keys);
  }

  /** What `decide` says of the state after the head, from what is at hand as far as it is. The height is that state's. */
  async ask<T>(
    key: StateKey,
    decide: (state: Overlay) => T,
  ): Promise<{ readonly value: T; readonly height: number }> {
    for (;;) {
      const { height } = this.#head;
      const loaded = this.#loaded;
      if (loaded.has(key)) return { value: decide(new Overlay(loaded)), height };
      const [record] = await this.load([key]);
      // Else a block came in between, and with it perhaps another record.
      if (height !== this.#head.height) continue;
      const place = loaded.lengthBytes < DECODED_STATE_LENGTH_MAX ? loaded : new LoadedState();
      place.add(key, record!);
      return { value: decide(new Overlay(place)), height };
    }
  }

  /** Transactions that are at hand decoded: those of blocks need not be decoded again. */
  useKnown(known: KnownTransactions): void {
    this.#known = known;
  }

  // ---- Making ------------------------------------------------------------------------------------------------

  /** A block of the next height, durable when it resolves, and judged; undefined when that height is not `height` any more. */
  build(height: number, proposing: Proposing): Promise<Block | undefined> {
    return this.#run(async () => {
      if (height !== this.#next.height) return undefined;
      const { store, clock } = this.#ports;
      const { context } = this.#next;
      const timeMs = Math.max(clock.now(), context.parent.timeMs + 1);
      const { block, executed } = await makeBlock(
        store,
        this.#loaded,
        context,
        this.#lastCommit,
        timeMs,
        proposing,
      );
      this.#checkConserved(block, executed);
      await this.#makeDurable(block);
      // It was executed while it was made, by the rules that judge it.
      this.#judged.set(toHex(block.id) as BlockId, { block, executed });
      return block;
    });
  }

  async #makeDurable({ header, id, bytes }: Block): Promise<void> {
    const key = toHex(id) as BlockId;
    if (this.#durable.has(key)) return;
    await this.#ports.store.keepCandidate(header.height, id, bytes);
    this.#durable.add(key);
  }

  // ---- Judging -----------------------------------------------------------------------------------------------

  /**
   * Whether the block may follow the head; a valid one is durable when it resolves. Undefined when `height` is not the next any more.
   * Whether its time has come is for others to see to: no clock decides what is valid.
   */
  judge(height: number, blockId: BlockId, bytes: Uint8Array): Promise<boolean | undefined> {
    return this.#run(async () => {
      if (height !== this.#next.height) return undefined;
      if (this.#judged.has(blockId)) return true;
      if (this.idOf(bytes) !== blockId) return false;
      const judged = await this.#execute(bytes);
      if ('problem' in judged) return false;
      await this.#makeDurable(judged.block);
      this.#judged.set(blockId, judged);
      return true;
    });
  }

  async #execute(bytes: Uint8Array): Promise<Judged | Invalid> {
    const { rules, sha256, store } = this.#ports;
    let block: Block;
    try {
      block = decodeBlock(bytes, rules, sha256, this.#known);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      return { kind: 'invalid', problem: 'wrong-body', detail: error.message };
    }
    const applied = await settle(store, this.#loaded, (loaded) =>
      applyBlock(loaded, block, this.#next.context),
    );
    if (applied.kind === 'invalid') return applied;
    this.#checkConserved(block, applied);
    return { block, executed: applied };
  }

  #checkConserved(block: Block, { changes }: Executed): void {
    const { holdings } = this.#ports.rules;
    if (!isConserved(auditChanges(changes, holdings))) throw this.#fail(notConserved(block));
  }

  // ---- Committing --------------------------------------------------------------------------------------------

  /**
   * Executes what was decided and makes it durable. Heights that are over are left as they are. Throws PROTOCOL when the certificate does
   * not decide this block at the next height, INTERNAL when it does and the block is invalid here.
   */
  commit(certificate: CommitCertificate, bytes: Uint8Array): Promise<void> {
    return this.#run(async () => {
      if (certificate.height <= this.#head.height) return;
      this.checkDecision(certificate, bytes);
      const judged = this.#judged.get(certificate.blockId) ?? (await this.#execute(bytes));
      if ('problem' in judged) throw this.#fail(decidedInvalid(certificate, judged));
      await this.#keep({ block: judged.block, certificate }, judged.executed);
    });
  }

  /** Whether it is the decision of a height near the head: what is worth passing on. */
  isDecided(certificate: CommitCertificate): boolean {
    const { height } = certificate;
    const roles = Math.abs(height - this.#head.height) <= NEWS_HEIGHTS ? this.rolesAt(height) : undefined;
    const { networkId, verify } = this.#ports;
    return (
      roles !== undefined && checkCertificate(networkId, roles.validators, certificate, verify) === undefined
    );
  }

  /** Throws PROTOCOL unless the certificate decides this block at the next height. */
  checkDecision(certificate: CommitCertificate, bytes: Uint8Array): void {
    const { height, roles } = this.#next;
    if (certificate.height !== height) {
      throw new StoreError('PROTOCOL', `a decision of height ${certificate.height} where ${height} is next`);
    }
    const { networkId, verify } = this.#ports;
    const problem = checkCertificate(networkId, roles.validators, certificate, verify);
    if (problem !== undefined) {
      throw new StoreError('PROTOCOL', `the certificate of height ${height} does not hold: ${problem}`);
    }
    if (this.idOf(bytes) !== certificate.blockId) {
      throw new StoreError('PROTOCOL', `the bytes for height ${height} are not the block that was decided`);
    }
  }

  async #keep(decided: Decided, executed: Executed): Promise<void> {
    const { store } = this.#ports;
    try {
      this.#head = await store.commit(decided, executed);
      this.#lastCommit = decided.certificate;
      this.#judged.clear();
      this.#durable.clear();
      this.#loaded.advance(executed.changes);
      if (this.#loaded.lengthBytes > DECODED_STATE_LENGTH_MAX) this.#loaded = new LoadedState();
      this.#next = await nextHeight(store, this.#loaded, this.#head, this.#ports, this.#next);
    } catch (error) {
      throw this.#fail(
        error instanceof StoreError ? error : new StoreError('INTERNAL', 'commit', { cause: error }),
      );
    }
    this.#remember(this.#next);
    for (const listener of this.#listeners) listener({ ...decided, head: this.#head, executed });
  }

  #remember({ height, roles }: NextHeight): void {
    if (this.#terms.at(-1)!.roles === roles) return;
    this.#terms.push({ from: height, roles });
    if (this.#terms.length > TERMS_KEPT) this.#terms.shift();
  }

  #fail(error: StoreError): StoreError {
    this.#failure ??= error;
    return error;
  }

  #run<T>(task: () => Promise<T>): Promise<T> {
    return this.#tasks.run(() => {
      if (this.#failure !== undefined) throw this.#failure;
      return task();
    });
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.#tasks.idle();
  }

  /** Waits for what is under way; nothing is done after it. */
  async close(): Promise<void> {
    this.#failure ??= new StoreError('CLOSED', 'the chain is closed');
    await this.#tasks.idle();
  }

  /** The id of a block's bytes, as agreement names it. */
  idOf(bytes: Uint8Array): BlockId {
    return blockIdOf(bytes, this.#ports.sha256);
  }

  /** A block of the next height or a decided one, by its id. */
  async held(height: number, blockId: BlockId): Promise<Uint8Array | undefined> {
    const { store } = this.#ports;
    const judged = height === this.#next.height ? this.#judged.get(blockId) : undefined;
    if (judged !== undefined) return judged.block.bytes;
    if (height > this.#head.height) return store.candidate(height, fromHex(blockId) as Digest);
    const decision = await store.decision(height);
    return decision?.certificate.blockId === blockId ? decision.block : undefined;
  }

  /** The decision of a height, as long as its block is kept. */
  decision(height: number): ReturnType<ChainStore['decision']> {
    return height > this.#head.height ? Promise.resolve(undefined) : this.#ports.store.decision(height);
  }
}

/** The rules let nobody make or lose tokens: if it happens nevertheless, nobody may build on it. */
function notConserved({ header }: Block): StoreError {
  return new StoreError('INTERNAL', `block ${header.height} makes or loses tokens`, {
    next: 'This is a defect of the ledger. Keep the data folder and report it; the chain must not go on like this.',
  });
}

function decidedInvalid({ height, blockId }: CommitCertificate, { problem, detail }: Invalid): StoreError {
  return new StoreError(
    'INTERNAL',
    `block ${blockId} was decided at height ${height} and is invalid here: ${problem} (${detail})`,
    {
      next: 'Either more than a third of the voting power is faulty, or this node runs other rules than the rest.',
    },
  );
}

// What a node answers about its chain, each answer with what proves it. Here is what is true and how long one waits for it; who may ask how often
// is in `query-services.ts`, what it looks like to programs of the same machine in `http/`.
//
// The state after height h is proven by header h + 1, so a node proves the state before its newest block. An answer is of one state,
// whatever is committed meanwhile.
//
// Invariants: what is read at once is within CHAIN_READ_BUDGET, what waits within CHAIN_WAITS_MAX; nothing of what is asked for is held while
// waiting.

import { toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { Digest } from '../../base/ids.ts';
import {
  BLOCK_LENGTH_MAX,
  CHAIN_READ_BUDGET,
  DECODED_BLOCKS_LENGTH,
  STATE_PROOF_LENGTH_MAX,
  STATE_RECORD_LENGTH_MAX,
} from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import { type Block, decodeBlock, type Kinds } from '../../shards/block.ts';
import type {
  DecisionReply,
  ProveReply,
  ProveRequest,
  TransactionReply,
  TransactionRequest,
} from '../../shards/chain-messages.ts';
import type { ShardHeader } from '../../shards/header.ts';
import type { LightBlock } from '../../shards/light-block.ts';
import type { RefusalCode } from '../../shards/operation.ts';
import type { StateKey } from '../../shards/state-key.ts';
import { encodeTransaction } from '../../shards/transaction.ts';
import type { StateProof } from '../../shards/tree/proof.ts';
import { type Loaded, LoadedState, Overlay } from '../../shards/view.ts';
import { type ByteBudget, createByteBudget } from '../byte-budget.ts';
import { BoundedCache } from './bounded-cache.ts';
import type { Chain, Committed } from './chain.ts';
import { InclusionTree } from './inclusion-tree.ts';
import { LightBlocks } from './light-blocks.ts';
import { QueryWaits } from './query-waits.ts';
import { settle } from './settle.ts';
import type { ChainStore, Decided, Head, ProvenState, TransactionPlace } from './types.ts';

export interface QueryPorts {
  readonly chain: Pick<Chain, 'head' | 'rolesAt' | 'decision' | 'load' | 'onCommit'>;
  readonly store: Pick<ChainStore, 'oldestBlock' | 'oldestState' | 'prove' | 'transaction'>;
  readonly clock: Pick<Clock, 'timer'>;
  readonly sha256: Sha256;
  readonly kinds: Kinds;
  /** The encoded founding document. */
  readonly founding: Uint8Array;
  /** Whether the transaction of this id (hex) waits for a block here; where absent, nobody knows. */
  readonly isWaiting?: (id: string) => boolean;
  /** Takes a transaction in, or throws why not. */
  readonly submit: (bytes: Uint8Array) => Promise<Digest>;
}

export interface ReadOptions {
  /** The state after this height or a later one. */
  readonly atLeast?: number;
  readonly waitMs?: number;
  /** Of a state that a header proves, which is the one before the newest block, and with the proof. */
  readonly isProven?: boolean;
  readonly signal?: AbortSignal;
}

/** Every record that was read. */
export interface ReadProof {
  /** Of the height after the state. */
  readonly light: LightBlock;
  readonly records: readonly {
    readonly key: StateKey;
    readonly record: Loaded;
    readonly proof: StateProof;
  }[];
}

export interface ReadAnswer<T> {
  readonly value: T;
  /** The answer is of the state after this height. */
  readonly height: number;
  readonly shards: readonly ShardHeader[];
  readonly proof: ReadProof | undefined;
}

export interface BlockOutcomes extends Decided {
  readonly refusals: readonly (RefusalCode | undefined)[];
}

interface DecodedBlock {
  readonly block: Block;
  readonly tree: InclusionTree;
}

/** The most that one record and its proof take. */
const READ_LENGTH = STATE_RECORD_LENGTH_MAX + STATE_PROOF_LENGTH_MAX;
const NEVER: AbortSignal = new AbortController().signal;

export class ChainQueries {
  readonly #ports: QueryPorts;
  readonly #lights: LightBlocks;
  readonly #waits: QueryWaits;
  readonly #budget: ByteBudget = createByteBudget(CHAIN_READ_BUDGET);
  readonly #decoded = new BoundedCache<number, DecodedBlock>(
    DECODED_BLOCKS_LENGTH,
    ({ block }) => block.bytes.length,
  );
  readonly #stopListening: () => void;

  constructor(ports: QueryPorts) {
    this.#ports = ports;
    this.#lights = new LightBlocks(ports);
    this.#waits = new QueryWaits(ports.clock);
    this.#stopListening = ports.chain.onCommit((committed) => this.#committed(committed));
  }

  #committed(committed: Committed): void {
    const { block } = committed;
    this.#lights.remember(committed);
    const transactions = new Set(block.body.transactions.map(({ id }) => toHex(id)));
    this.#waits.tell({ height: block.header.height, transactions });
  }

  /** Nobody waits any more; what is asked for afterwards and has to wait is refused. */
  close(): void {
    this.#stopListening();
    this.#waits.close();
  }

  get kinds(): Kinds {
    return this.#ports.kinds;
  }

  /** The encoded founding document. */
  get founding(): Uint8Array {
    return this.#ports.founding;
  }

  get top(): Head {
    return this.#ports.chain.head;
  }

  /** The oldest block and state that are kept. */
  get oldest(): { readonly block: number; readonly state: number } {
    const { oldestBlock, oldestState } = this.#ports.store;
    return { block: oldestBlock, state: oldestState };
  }

  /** Throws what the pool has against the transaction. */
  submit(bytes: Uint8Array): Promise<Digest> {
    return this.#ports.submit(bytes);
  }

  // ---- Blocks ------------------------------------------------------------------------------------------------

  /** The newest light block. Throws NOT_FOUND before the first. */
  head(signal?: AbortSignal): Promise<LightBlock> {
    return this.light(this.top.height, signal);
  }

  /** Throws NOT_FOUND. */
  light(height: number, signal: AbortSignal = NEVER): Promise<LightBlock> {
    return this.#budget.use(BLOCK_LENGTH_MAX, signal, () => this.#lights.at(height));
  }

  /** Throws NOT_FOUND. */
  block(height: number, signal: AbortSignal = NEVER): Promise<DecisionReply> {
    return this.#budget.use(BLOCK_LENGTH_MAX, signal, async () => {
      const decision = await this.#ports.chain.decision(height);
      if (decision === undefined) throw this.#lights.noBlock(height);
      return decision;
    });
  }

  /** A block taken apart, with what came of its transactions, in their order. Throws NOT_FOUND. */
  async outcomes(height: number, signal: AbortSignal = NEVER): Promise<BlockOutcomes> {
    const { certificate } = await this.block(height, signal);
    const { block } = await this.#budget.use(BLOCK_LENGTH_MAX, signal, () => this.#decodedAt(height));
    const places = await Promise.all(block.body.transactions.map(({ id }) => this.placeOf(id)));
    return { block, certificate, refusals: places.map((place) => place?.refusal) };
  }

  // ---- Transactions ------------------------------------------------------------------------------------------

  /** Where a transaction was included, with the proof of it. Throws NOT_FOUND when it was not, after waiting. */
  async transaction(
    { id, waitMs }: TransactionRequest,
    signal: AbortSignal = NEVER,
  ): Promise<TransactionReply> {
    const place = await this.#placeOf(id, waitMs, signal);
    return this.#budget.use(BLOCK_LENGTH_MAX, signal, async () => {
      const { block, tree } = await this.#decodedAt(place.height);
      const { transactions } = block.body;
      return {
        light: await this.#lights.at(place.height),
        index: place.index,
        count: transactions.length,
        path: tree.path(place.index),
        refusal: place.refusal,
        bytes: encodeTransaction(transactions[place.index]!, this.#ports.kinds.operations),
      };
    });
  }

  /** Where it was included, as far as it is known here. */
  placeOf(id: Digest): Promise<TransactionPlace | undefined> {
    return this.#ports.store.transaction(id);
  }

  async #placeOf(id: Digest, waitMs: number, signal: AbortSignal): Promise<TransactionPlace> {
    const name = toHex(id);
    const { isWaiting = () => false } = this.#ports;
    let waited = isWaiting(name);
    /** It was included, or was dropped because it cannot be any more: another has taken its nonce, or its time is over. */
    const isDecided = ({ transactions }: { transactions: ReadonlySet<string> }): boolean => {
      const waits = isWaiting(name);
      const isDropped = waited && !waits;
      waited ||= waits;
      return isDropped || transactions.has(name);
    };
    const wait = waitMs === 0 ? undefined : this.#waits.begin(isDecided, waitMs, signal);
    try {
      const place = await this.placeOf(id);
      if (place !== undefined) return place;
      const later = (await wait?.outcome) === true ? await this.placeOf(id) : undefined;
      if (later !== undefined) return later;
    } finally {
      wait?.cancel();
    }
    const { height } = this.top;
    throw new StoreError(
      'NOT_FOUND',
      `transaction ${name} is in no block that is kept here, up to height ${height}`,
      {
        next: 'Wait for it, send it again, or look at the nonce of its sender: another may have taken its place.',
      },
    );
  }

  async #decodedAt(height: number): Promise<DecodedBlock> {
    const known = this.#decoded.get(height);
    if (known !== undefined) return known;
    const { kinds, sha256, chain } = this.#ports;
    const decision = await chain.decision(height);
    if (decision === undefined) throw this.#lights.noBlock(height);
    const block = decodeBlock(decision.block, kinds, sha256);
    const ids = block.body.transactions.map(({ id }) => id);
    const decoded = { block, tree: new InclusionTree(ids, sha256) };
    this.#decoded.set(height, decoded);
    return decoded;
  }

  // ---- State -------------------------------------------------------------------------------------------------

  /** Throws NOT_FOUND when there is no such header here, after waiting, or the state that it proves is not kept. */
  async prove(request: ProveRequest, signal: AbortSignal = NEVER): Promise<ProveReply> {
    const { paths, atLeast, exactly, waitMs, isHeaderKnown } = request;
    await this.#reach(exactly ?? this.#leastHeader(atLeast), waitMs, signal);
    const height = exactly ?? this.top.height;
    const { shards, records, proofs } = await this.#prove(height - 1, paths, signal);
    const framing = isHeaderKnown ? undefined : { light: await this.light(height, signal), shards };
    return { height, framing, records, proofs };
  }

  /** The first header that proves a state which is here: after a state was fetched, the one after it. */
  #leastHeader(atLeast: number): number {
    return Math.max(atLeast, this.#ports.store.oldestState + 1);
  }

  async #prove(height: number, paths: readonly Uint8Array[], signal: AbortSignal): Promise<ProvenState> {
    const { oldestState } = this.#ports.store;
    const newest = this.top.height;
    if (height < oldestState || height > newest) {
      throw new StoreError('NOT_FOUND', `the state after height ${height} is not here`, {
        next: `States are kept from height ${oldestState} on, and the newest is ${newest}: ask for one of them, or ask a node that keeps more.`,
      });
    }
    return this.#budget.use(paths.length * READ_LENGTH, signal, () =>
      this.#ports.store.prove(height, paths as readonly Digest[]),
    );
  }

  /** Until there is a block of `height`. Throws NOT_FOUND. */
  async #reach(height: number, waitMs: number, signal: AbortSignal): Promise<void> {
    const isThere = (): boolean => this.top.height >= height;
    if (isThere()) return;
    const wait =
      waitMs === 0 ? undefined : this.#waits.begin((news) => news.height >= height, waitMs, signal);
    await wait?.outcome;
    if (!isThere()) throw this.#lights.noBlock(height);
  }

  /**
   * What `decide` says of one state, the newest or one that is proven; it is called again as often as it reads what is not loaded. Throws
   * what it throws, and NOT_FOUND when there is no state like that.
   */
  async read<T>(decide: (state: Overlay) => T, options: ReadOptions = {}): Promise<ReadAnswer<T>> {
    const { atLeast = 0, waitMs = 0, isProven = false, signal = NEVER } = options;
    await this.#reach(isProven ? this.#leastHeader(atLeast + 1) : atLeast, waitMs, signal);
    const height = this.top.height - (isProven ? 1 : 0);
    const read: { key: StateKey; record: Loaded; proof: StateProof }[] = [];
    let shards: readonly ShardHeader[] = [];
    const load = async (keys: readonly StateKey[]): Promise<readonly Loaded[]> => {
      const proven = await this.#prove(
        height,
        keys.map(({ path }) => path),
        signal,
      );
      shards = proven.shards;
      for (const [index, key] of keys.entries()) {
        read.push({ key, record: proven.records[index]!, proof: proven.proofs[index]! });
      }
      return proven.records;
    };
    const { value } = await settle({ load }, new LoadedState(), (loaded) => ({
      value: decide(new Overlay(loaded)),
    }));
    const proof = isProven ? { light: await this.light(height + 1, signal), records: read } : undefined;
    return { value, height, shards, proof };
  }
}

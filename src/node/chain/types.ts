// The words of a node's chain: what it stands on, and what the parts of the chain service ask of each other. The store keeps it,
// the chain decides and executes, sync brings what was decided elsewhere, queries show it with proofs.

import type { Digest, NetworkId } from '../../base/ids.ts';
import type { KeyValueOperation } from '../../base/ports.ts';
import type { CommitCertificate } from '../../consensus/types.ts';
import type { Block } from '../../shards/block.ts';
import type { ShardHeader } from '../../shards/header.ts';
import type { RefusalCode } from '../../shards/operation.ts';
import type { Executed } from '../../shards/session.ts';
import type { StateKey } from '../../shards/state-key.ts';
import type { StateChunk } from '../../shards/tree/chunk.ts';
import type { Prefix } from '../../shards/tree/path.ts';
import type { StateProof } from '../../shards/tree/proof.ts';
import type { Change, Loaded } from '../../shards/view.ts';
import type { RecordSource } from './settle.ts';

/** The last block that was executed here, and the state after it. Height 0: genesis, which is no block. */
export interface Head {
  readonly height: number;
  /** Of the block; at height 0, the digest of the founding document, which the first block names as its parent. */
  readonly id: Digest;
  readonly timeMs: number;
  /** Of the state after it, with the shards that it had. */
  readonly shards: readonly ShardHeader[];
  /** The next block has 2^shardBits shards. */
  readonly shardBits: number;
}

/** A block that a quorum decided, as it was proposed. */
export interface Decided {
  readonly block: Block;
  readonly certificate: CommitCertificate;
}

/** A decision as it is stored and sent. */
export interface Decision {
  readonly block: Uint8Array;
  readonly certificate: CommitCertificate;
}

export interface ProvenState {
  /** The state after the block of this height. Header `height + 1` names its roots. */
  readonly height: number;
  readonly shards: readonly ShardHeader[];
  /** In the order of the paths asked for. */
  readonly records: readonly Loaded[];
  readonly proofs: readonly StateProof[];
}

/** Where a transaction was included, and what came of it. */
export interface TransactionPlace {
  readonly height: number;
  readonly index: number;
  readonly refusal: RefusalCode | undefined;
}

/** A part of a state, for whoever fetches it. */
export interface StatePart {
  readonly chunk: StateChunk;
  /** In the order of the chunk's leaves. */
  readonly records: readonly Uint8Array[];
}

/** The state to fetch: after the block of `head`, with the shards that the header above it names, which whoever asks has checked. */
export interface RestoreTarget {
  readonly network: NetworkId;
  readonly head: Head;
  /** The block of `head`, which the next proposal needs the certificate of. */
  readonly decided: Decided;
}

/** A state that is being fetched. What was put is durable; after a crash the rest is still pending. */
export interface StateRestore {
  readonly head: Head;
  /** What is not here yet, from left to right; a chunk may cover a part of one of them, or several. */
  readonly pending: readonly Prefix[];
  /** Keeps what belongs to the state, in any order, once or again. Throws INTEGRITY when it does not belong, and keeps nothing then. */
  put(part: StatePart): Promise<void>;
  /** When nothing is pending any more: the state becomes the head, in one durable write. */
  finish(): Promise<Head>;
  /** Gives up what was fetched. */
  abandon(): Promise<void>;
}

/** What pruning leaves. */
export interface Oldest {
  readonly block: number;
  readonly state: number;
  /** States below `state` that stay too, as far as they are here, until another call does not name them: STATE_PINS_MAX at most. */
  readonly states?: readonly number[];
}

/** What follows from the records and is kept beside them, in the same database. */
export interface Derived {
  /** What the block on `parent` changes of it, to be written with the block. `state` is that of the parent, and nothing is written meanwhile. */
  next(decided: Decided, executed: Executed, parent: Head, state: RecordSource): Promise<NextDerived>;
  /** The head is another now, without the blocks in between: what followed from the records does not any more. */
  replaced(): void;
}

export interface NextDerived {
  readonly operations: readonly KeyValueOperation[];
  /** To be called when they were written. */
  readonly remember: () => void;
}

/** The state after the head, which stays the head as long as this is used. */
export interface StillState extends RecordSource {
  readonly head: Head;
  readonly network: NetworkId;
  /** Records in the order of their paths, from `from` on; null where there was one. */
  latest(from: Uint8Array, limit: number): AsyncIterable<readonly [path: Uint8Array, record: Loaded]>;
}

/** Blocks and state on disk. One writer; reads at any time. */
export interface ChainStore {
  /** Undefined before genesis. */
  readonly head: Head | undefined;
  readonly network: NetworkId | undefined;
  /** The oldest height whose block is here, and the oldest from which on every state can be read. */
  readonly oldestBlock: number;
  readonly oldestState: number;
  /** Whether the state after `height` can be read: also of one that outlived later ones. */
  hasState(height: number): boolean;
  /** Writes height 0. */
  found(changes: readonly Change[], head: Omit<Head, 'shards'>, network: NetworkId): Promise<Head>;
  /** Records after the head; null where there is none. */
  load(keys: readonly StateKey[]): Promise<readonly Loaded[]>;
  /** Runs `task` while nothing is committed: what it writes itself is of the state after the head. Throws NOT_FOUND before genesis. */
  still<T>(task: (state: StillState) => Promise<T>): Promise<T>;
  /** Block, certificate, records, trees, index, and what is derived, in one durable batch. The block follows the head. */
  commit(decided: Decided, executed: Executed): Promise<Head>;
  /** Throws NOT_FOUND when the state after `height` is no longer, or not yet, here. */
  prove(height: number, paths: readonly Digest[]): Promise<ProvenState>;
  /** A block that is valid here and not decided yet: durable when it resolves. Those of lower heights go with the next commit. */
  keepCandidate(height: number, id: Digest, block: Uint8Array): Promise<void>;
  candidate(height: number, id: Digest): Promise<Uint8Array | undefined>;
  /** Bytes of a decided block, and the certificate for it. */
  decision(height: number): Promise<Decision | undefined>;
  transaction(id: Digest): Promise<TransactionPlace | undefined>;
  /** Gives up what is older, a part at a time. What the head needs stays. Resolves after the part at hand when `signal` fires; a later call does the rest. */
  prune(oldest: Oldest, signal?: AbortSignal): Promise<void>;
  /**
   * The left end of what the state after `height` has under `prefix`, which lies in one shard. Throws NOT_FOUND when the state is not
   * here, INVALID_ARGUMENT when no shard has all of the prefix.
   */
  chunk(height: number, prefix: Prefix): Promise<StatePart>;
  /** Fetches a state beside the one that is here, or goes on with it. Blocks stay. Throws INVALID_ARGUMENT when it is not above the head. */
  restore(target: RestoreTarget): Promise<StateRestore>;
  /** What is being fetched, if only since before a crash. */
  readonly restoring: StateRestore | undefined;
}

// What a program sees of the library: options, results and events of `createStore`. Throughout: lengths in bytes,
// times in milliseconds, every failure a StoreError.

import type { ErrorCode, StoreError } from '../base/errors.ts';
import type { OpenChainClient } from './chain/client.ts';
import type { Care } from './care/types.ts';
import type { TrustedBlock } from './chain/light-client.ts';
import type {
  Buckets,
  ListOptions,
  NameCondition,
  NameListing,
  NameStat,
  NameWrite,
  RemoveNameResult,
} from './name-types.ts';

/** Where a network is: what `store init`, `store join` and `store up` leave in the client's home. */
export interface NetworkDescription {
  /** Network id, 64 hex digits: the one value that is trusted without proof. */
  readonly network: string;
  readonly name: string;
  /** Bulk addresses of some nodes, e.g. `/ip4/10.0.0.2/tcp/4002/tls`. Any one that answers is enough. */
  readonly bootstrap: readonly string[];
  /** File of the pre-shared network key (mode 0600), where the network has one. */
  readonly presharedKeyFile?: string;
}

export interface StoreOptions {
  /** Folder of configuration, owner key and resume state. Default: HOLDFAST_HOME, else ~/.holdfast. */
  readonly home?: string;
  /** Default: `network.json` in the home. */
  readonly network?: NetworkDescription;
  /** `control` forces libp2p's Noise lane instead of the TLS bulk lane. */
  readonly lane?: 'bulk' | 'control';
  /** Most bytes that segments in flight may hold. */
  readonly memoryBytes?: number;
  /** A block of the chain that is trusted (weak subjectivity), in place of what was kept or the founding document. */
  readonly trust?: TrustedBlock;
  /** Name of the key that owns what is put. Default: HOLDFAST_KEY, else the default key of the home. */
  readonly key?: string;
  /** Asked when that key is protected. Default: the file that HOLDFAST_PASSPHRASE_FILE names. */
  readonly passphrase?: (keyName: string) => Promise<string>;
  /** Told again and again why a call waits: the chain has no block yet, or its nodes fetch what they missed. */
  readonly onChainWait?: (reason: StoreError) => void;
  readonly signal?: AbortSignal;
}

export type Source =
  | Uint8Array
  | string
  | Blob
  | Iterable<Uint8Array>
  | AsyncIterable<Uint8Array>
  | ReadableStream<Uint8Array>;

/** `chain`: the object, and its name if it has one, is on its way onto the chain. */
export type Phase = 'encode' | 'send' | 'finish' | 'chain' | 'fetch' | 'complete';

export interface ProgressEvent {
  readonly phase: Phase;
  /** Bytes of the object done so far, and in all where that is known. */
  readonly doneBytes: number;
  readonly totalBytes: number | undefined;
  /** Recent rate in bytes per second; 0 until two samples exist. */
  readonly bytesPerSecond: number;
}

/** Something a user should hear about although the call goes on. */
export interface NoticeEvent {
  readonly kind:
    | 'holder-replaced'
    | 'holder-slow'
    /** Nothing more is tried for this piece of a put, or this copy of its manifest: the node does not have it. */
    | 'piece-missing'
    | 'piece-wrong'
    | 'piece-damaged'
    /** The chain could not be asked who belongs to the network now: what was known before is used. */
    | 'epoch-unproven'
    | 'resumed'
    /** The object of a put is stored, and the chain does not know it, or not yet. */
    | 'not-registered'
    /** Too few validators answer: what the chain says may be older than what somebody finished just now. */
    | 'chain-behind';
  /** Node id in hex where one node is meant. */
  readonly node?: string;
  readonly segmentIndex?: number;
  readonly pieceIndex?: number;
  readonly message: string;
}

export interface CallEvents {
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: ProgressEvent) => void;
  readonly onNotice?: (event: NoticeEvent) => void;
}

export interface PutOptions extends CallEvents {
  /** Default by the number of operators (`replication/code.ts`). */
  readonly code?: { readonly k: number; readonly n: number };
  /** Whole copies: the code (1, copies). */
  readonly copies?: number;
  /** Store in the clear, readable by whoever has the CID. Default false. */
  readonly isPublic?: boolean;
  /** Default 16 MiB, 1 to 64 MiB; rounded to whole cells. */
  readonly segmentBytes?: number;
  /** One-machine trial: several pieces of a segment may go to one operator. */
  readonly allowSameOperator?: boolean;
  /** Length of the source where it is known: for progress. */
  readonly lengthBytes?: number;
  /**
   * Names this upload so that a later put of the same source under the same name goes on after the last complete
   * segment. The value identifies the source's content (for a file: path, size, modification time).
   */
  readonly resumeKey?: string;
  /**
   * `store://bucket/key`: the object comes onto the chain, and the name stands for it when the put is acknowledged. The bucket's policy says
   * how it is coded and whether it is encrypted, unless `code`, `copies` or `isPublic` do.
   */
  readonly name?: string;
  /** What must be true of the name; else CONDITION_FAILED, and nothing is stored. */
  readonly condition?: NameCondition;
}

export interface PutResult {
  /** `store://CID#NETWORK.KEY`: all a person needs to get the object back. Secret unless the object is public. */
  readonly uri: string;
  readonly cid: string;
  readonly sizeBytes: number;
  readonly code: { readonly k: number; readonly n: number };
  readonly segments: number;
  /** Pieces confirmed when the put was acknowledged, and pieces made. */
  readonly confirmedPieces: number;
  readonly totalPieces: number;
  /** Segments taken over from an interrupted upload. */
  readonly resumedSegments: number;
  /** Settles when the pieces beyond the quorum are stored too, or could not be. Never rejects. */
  readonly complete: Promise<{ readonly confirmedPieces: number; readonly missingPieces: number }>;
  /**
   * Settles when the chain has the object, from when on it is looked after; false when that was put off, which a notice `not-registered` explains: then
   * `finishRegistrations` or the next command of the home goes on with it. Never rejects.
   */
  readonly registered: Promise<boolean>;
  /** Of a put under a name. */
  readonly name?: NameWrite;
}

export interface GetOptions extends CallEvents {
  /** Only these bytes: fetches the cells that cover them. Default: everything. */
  readonly range?: { readonly offset: number; readonly length?: number };
  /**
   * Iterating gives chunks whose memory is used again as soon as the next one is asked for. Default: chunks are the
   * reader's to keep, and the collector lets tens of megabytes of them pile up. `stream()` and `bytes()` are the same either way.
   */
  readonly reuseChunks?: boolean;
}

export interface GetResult extends AsyncIterable<Uint8Array> {
  readonly sizeBytes: number;
  /** Length of what will be delivered. */
  readonly lengthBytes: number;
  stream(): ReadableStream<Uint8Array>;
  bytes(): Promise<Uint8Array>;
}

export interface ObjectStat {
  readonly cid: string;
  readonly sizeBytes: number;
  readonly code: { readonly k: number; readonly n: number };
  readonly segments: number;
  readonly isPublic: boolean;
  readonly isTrial: boolean;
  /** Every segment's certificate carries enough valid confirmations. */
  readonly isCertified: boolean;
  /** Fewest pieces found alive in any segment now; undefined when not asked for (`check: false`). */
  readonly fewestPieces: number | undefined;
  readonly manifestCopies: number | undefined;
  /** Node ids (hex) that were expected to hold pieces and did not answer or do not have them. */
  readonly missingHolders: readonly string[];
  /** Where it was asked for by name. */
  readonly name?: NameStat;
}

export interface RemoveResult {
  /** Nodes that confirmed, and nodes that could not be reached: those may still hold bytes. */
  readonly nodes: number;
  readonly removedEntries: number;
  readonly unreachable: readonly string[];
}

/** Objects that earlier puts of a home left: how many are on the chain now, and how many still wait. */
export interface RegistrationTally {
  readonly registered: number;
  readonly waiting: number;
}

export interface MemberView {
  readonly node: string;
  readonly operator: string;
  readonly stake: bigint;
  readonly capacityBytes: number;
  readonly domains: Readonly<Record<string, string>>;
  readonly isReachable: boolean;
  readonly addresses: readonly string[];
  readonly error?: { readonly code: ErrorCode; readonly message: string };
  readonly status?: {
    readonly agent: string;
    readonly logState: string;
    readonly entries: number;
    readonly liveBytes: number;
    readonly quotaBytes: number;
    readonly damagedEntries: number;
    readonly uptimeMs: number;
    readonly peers: readonly string[];
  };
}

export interface NetworkView {
  readonly network: string;
  readonly name: string;
  readonly epoch: number;
  readonly isTrial: boolean;
  readonly shardBits: number;
  readonly operators: number;
  readonly members: readonly MemberView[];
}

/** A `uri` is that of an object, `store://CID#NETWORK.KEY`, or a name of this home's key, `store://bucket/key`. */
export interface Store {
  put(source: Source, options?: PutOptions): Promise<PutResult>;
  /** Resolves once the manifest is verified; bytes come out in order, each verified. */
  get(uri: string, options?: GetOptions): Promise<GetResult>;
  stat(uri: string, options?: CallEvents & { readonly check?: boolean }): Promise<ObjectStat>;
  /** Only the owner's key can remove. A name's object goes with it, unless it had other names. */
  remove(
    uri: string,
    options?: CallEvents & { readonly condition?: NameCondition },
  ): Promise<RemoveResult | RemoveNameResult>;
  /** Brings onto the chain what earlier puts of this home could not: costs nothing when there is none. */
  finishRegistrations(options?: CallEvents): Promise<RegistrationTally>;
  /** What the chain says of a name, without looking at the object. */
  statName(uri: string, options?: CallEvents): Promise<NameStat>;
  /** Names that begin so: `store://bucket/`, `store://bucket/2024/`. */
  list(uri: string, options?: ListOptions): Promise<NameListing>;
  /** At every moment at least one of the two names stands for the object. */
  move(
    from: string,
    to: string,
    options?: CallEvents & { readonly from?: NameCondition; readonly to?: NameCondition },
  ): Promise<NameWrite>;
  /** A second name for the object; no byte of it is sent. */
  copy(from: string, to: string, options?: CallEvents & { readonly to?: NameCondition }): Promise<NameWrite>;
  readonly buckets: Buckets;
  readonly care: Care;
  /** Members and, with `probe`, what each says of itself. */
  network(options?: CallEvents & { readonly probe?: boolean }): Promise<NetworkView>;
  /** The network's chain: reads of proven state, headers, and transactions. Closed with the store. */
  chain(options?: CallEvents): Promise<OpenChainClient>;
  close(): Promise<void>;
}

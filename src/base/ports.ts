// The complete list of what the system asks of its environment. Everything outside comes through one of these, so
// that a whole node runs on a simulated clock, network and disk. Rules of use: a port never knows the domain; a
// failure at a port is a StoreError; every call that can take long takes an AbortSignal.

import type { Digest, NodeId, Signature } from './ids.ts';

// The one host type that ports name is cancellation. The pure folders compile without host types, so its shape is
// stated here; where host types are present the two declarations merge.
declare global {
  interface AbortSignal {
    readonly aborted: boolean;
    throwIfAborted(): void;
  }
}

// ---- Time, chance, keys ----------------------------------------------------------------------------------------

export interface Clock {
  /** Wall clock, milliseconds since 1970. For display and expiry only, never for ordering. */
  now(): number;
  /** Milliseconds that never go back. */
  monotonic(): number;
  /** Resolves after `delayMs`; rejects with ABORTED as soon as `signal` fires. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
  /** Calls `run` once after `delayMs`; the returned function cancels. Never keeps the process alive. */
  timer(delayMs: number, run: () => void): () => void;
}

export interface Random {
  /** Unpredictable bytes in production, seeded ones in the simulator. */
  bytes(length: number): Uint8Array;
}

/** ed25519 verification; false for anything malformed, never throws. */
export type Verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;

export interface Signer {
  /** ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Signature;
}

// ---- Small durable state ---------------------------------------------------------------------------------------

export interface KeyValue {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** All or nothing. With `isDurable` it resolves after the write is synced to disk. */
  batch(operations: readonly KeyValueOperation[], options?: { readonly isDurable?: boolean }): Promise<void>;
  /** Entries with `from <= key < to` in byte order. */
  range(from: Uint8Array, to: Uint8Array, limit?: number): AsyncIterable<readonly [Uint8Array, Uint8Array]>;
  close(): Promise<void>;
}

export type KeyValueOperation =
  | { readonly kind: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: Uint8Array };

// ---- Large durable state ---------------------------------------------------------------------------------------

export interface LogEntry {
  /** At most ENTRY_KEY_LENGTH_MAX bytes; unique: a second put of a key replaces the first. */
  readonly key: Uint8Array;
  /** At most ENTRY_META_LENGTH_MAX bytes, returned whole by `stat`. */
  readonly meta: Uint8Array;
  readonly payload: Uint8Array;
}

export interface LogEntryStat {
  readonly key: Uint8Array;
  readonly meta: Uint8Array;
  readonly payloadLength: number;
}

export type LogState = 'writable' | 'full' | 'failed' | 'closed';

export interface LogUsage {
  readonly state: LogState;
  readonly entries: number;
  /** Payload bytes of live entries. */
  readonly liveBytes: number;
  /** Bytes of all log files, dead records included. */
  readonly logBytes: number;
  readonly quotaBytes: number;
  /** Free bytes of the file system, and the part of them that new pieces may not use. */
  readonly freeBytes: number;
  readonly reserveBytes: number;
}

export interface ScrubReport {
  readonly entriesChecked: number;
  readonly bytesChecked: number;
  /** Keys of entries whose bytes no longer match; they are quarantined: kept on disk, no longer served. */
  readonly damaged: readonly Uint8Array[];
}

/** Append-only log files with an index. Throws FULL, DISK, DAMAGED, NOT_FOUND, CLOSED. */
export interface PieceLog {
  /** Resolves when data, index and directory are durable. Concurrent puts share one sync. */
  put(entry: LogEntry): Promise<void>;
  stat(key: Uint8Array): Promise<LogEntryStat | undefined>;
  /**
   * Bytes [offset, offset + length) of the payload, checked against the record's checksums: in the first bytes of `into`, which
   * has at least as many, or in memory of their own. After a failure what `into` holds is undefined, and it may still change.
   */
  read(key: Uint8Array, offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  /** Durable when it resolves. Keys that are not there are ignored; returns how many were. */
  remove(keys: readonly Uint8Array[]): Promise<number>;
  /** Keys that start with `prefix`, in byte order, also of entries too damaged for `list`. */
  keys(prefix: Uint8Array, limit?: number): AsyncIterable<Uint8Array>;
  /** Entries whose key starts with `prefix`, in byte order. */
  list(prefix: Uint8Array, limit?: number): AsyncIterable<LogEntryStat>;
  usage(): LogUsage;
  /** Reads everything again now. The background scrub does the same slowly and calls `onDamage` of the options. */
  scrub(signal?: AbortSignal): Promise<ScrubReport>;
  close(): Promise<void>;
}

// ---- Coding ----------------------------------------------------------------------------------------------------

/**
 * Geometry of (a run of stripes of) one coded segment; `replication/segment.ts` computes it. A segment has
 * `fullStripes` stripes of k cells of CELL_LENGTH bytes, then at most one stripe of k cells of `tailCellLength`
 * bytes (0: none). A piece is its cells of one column, so `pieceLength = fullStripes * CELL_LENGTH + tailCellLength`.
 * Cells are numbered row by row: cell (stripe, column) has index `stripe * k + column`.
 */
export interface SegmentShape {
  readonly k: number;
  readonly n: number;
  /** Index of the first stripe of this run within its segment: 0 for a whole segment. Cell indices, hence nonces, go on from there. */
  readonly firstStripe: number;
  readonly fullStripes: number;
  readonly tailCellLength: number;
  readonly pieceLength: number;
  /** Plaintext bytes of this run; the cells beyond it are zero before encryption. */
  readonly plaintextLength: number;
  /** Encrypted cells carry TAG_LENGTH bytes less of plaintext. */
  readonly isEncrypted: boolean;
}

export interface HashedPiece {
  /** BLAKE3 digest of the piece. */
  readonly root: Digest;
  /** Chaining values of its BLAKE3 tree per GROUP_LENGTH group; `replication/piece-tree.ts` has the layout. */
  readonly outboard: Uint8Array;
}

/** Working memory for one segment on its way to or from pieces. Owned by whoever acquired it, until `release`. */
export interface Slot {
  readonly shape: SegmentShape;
  /** Column `index` (0 <= index < n), `shape.pieceLength` bytes. */
  piece(index: number): Uint8Array;
  /**
   * Where plaintext bytes [offset, offset + length) lie, a part for every cell: within the data columns, which hold it before
   * `encodeInPlace` and after `decodeInPlace`, and the stored bytes at other times.
   */
  cells(offset: number, length: number): Uint8Array[];
  /** Plaintext in `cells` -> stored cells (encrypted under `key`, the segment key, when the shape says so) -> all n pieces. Returns their roots. */
  encodeInPlace(key: Uint8Array | undefined): Promise<readonly Digest[]>;
  /** Root of the bytes now in `piece(index)`. */
  hash(index: number): Promise<Digest>;
  /**
   * Plaintext, into `cells`, from any k columns whose bytes are in place (`present`, ascending). Throws WRONG_KEY when a cell's
   * tag fails; the data columns are then of no use.
   */
  decodeInPlace(present: readonly number[], key: Uint8Array | undefined): Promise<void>;
  /** Rebuilds column `target` from the k columns `present`; needs no key. Returns its root. */
  rebuild(present: readonly number[], target: number): Promise<Digest>;
  /** True when all n columns, which are in place, form code words. */
  verify(): Promise<boolean>;
  release(): void;
}

/** The coding and hashing kernel. Real one: WASM SIMD in worker threads; twin: plain TypeScript, in line. */
export interface Coder {
  /** Waits until memory for the shape is free. */
  acquire(shape: SegmentShape, signal?: AbortSignal): Promise<Slot>;
  /** Root and outboard tree of a piece. */
  hashPiece(piece: Uint8Array): Promise<HashedPiece>;
  close(): Promise<void>;
}

// ---- Network ---------------------------------------------------------------------------------------------------

/** One request and its reply. Header: a canonical record; body: raw bytes. */
export interface Request {
  readonly header: Uint8Array;
  readonly body?: readonly Uint8Array[];
}

export interface Reply {
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  /** Longest reply body accepted; 0 when absent. */
  readonly maxBodyLength?: number;
  /**
   * Where to put the reply's body; a fresh buffer when absent. Must return exactly `length` bytes. Nothing is written there
   * any more once the call has settled, however it ended.
   */
  readonly into?: (length: number) => Uint8Array;
  /** Told about body bytes as they leave or arrive. */
  readonly onBytes?: (count: number) => void;
}

export interface ServedReply {
  readonly header: Uint8Array;
  readonly body?: readonly Uint8Array[];
  /** Called at most once, when nobody will look at the body's memory again; a lane that cannot tell never calls it. */
  readonly release?: () => void;
}

/** A request-reply protocol as a node serves it. The bounds are enforced before the handler sees a byte. */
export interface Service {
  /** Short name, e.g. `put-piece`; on the wire it stands under the network's id. */
  readonly name: string;
  readonly maxHeaderLength: number;
  readonly maxBodyLength: number;
  readonly timeoutMs: number;
  /** Requests of one peer at a time, and per second on average (burst: twice that). */
  readonly maxConcurrentPerPeer: number;
  readonly maxPerSecondPerPeer: number;
  /** The handler keeps no reference to the body once it has ended: the lane may use its memory again. */
  readonly isBodyBorrowed?: true;
  /** Refuses (throws a StoreError) after the header and before the body is read, so that no one sends in vain. */
  admit?(from: NodeId, header: Uint8Array, bodyLength: number): Promise<void>;
  /** A StoreError thrown here reaches the caller as a refusal with the same code. */
  handle(from: NodeId, header: Uint8Array, body: Uint8Array, signal: AbortSignal): Promise<ServedReply>;
}

/** Where a node can be reached. Multiaddrs as text: `/ip4/10.0.0.2/tcp/4001` (control), `/ip4/10.0.0.2/tcp/4002/tls` (bulk). */
export interface NodeAddresses {
  readonly control: readonly string[];
  readonly bulk: readonly string[];
}

export type GossipVerdict = 'accept' | 'ignore' | 'reject';

/** Requests go over the bulk lane (TLS 1.3) where the peer offers it, else over the control lane (libp2p). */
export interface Network {
  readonly self: NodeId;
  /** Teaches the network how to reach a peer; replaces what it knew. */
  setAddresses(peer: NodeId, addresses: NodeAddresses): void;
  /** Throws the peer's refusal as StoreError with its code, or UNREACHABLE, TIMEOUT, ABORTED, WRONG_NETWORK, PROTOCOL. */
  call(peer: NodeId, service: string, request: Request, options?: CallOptions): Promise<Reply>;
  /**
   * A request without body that is not answered, over the control lane where the peer has one, at a third of a call's cost. Resolves when there is room
   * for the next, which does not say that it arrived. Throws UNREACHABLE, TIMEOUT, ABORTED, WRONG_NETWORK, INVALID_ARGUMENT.
   */
  tell(peer: NodeId, service: string, header: Uint8Array, signal?: AbortSignal): Promise<void>;
  /**
   * A peer whose id is not known yet, by address (`/ip4/../tcp/../tls`): an invitation's or a bootstrap address.
   * Returns the id that the peer proved to own.
   */
  connect(address: string, signal?: AbortSignal): Promise<NodeId>;
  serve(service: Service): void;
  close(): Promise<void>;
}

export interface Gossip {
  publish(topic: string, message: Uint8Array): Promise<void>;
  /** `handle` is called once per message; its verdict decides whether the message is passed on. */
  subscribe(topic: string, handle: (from: NodeId, message: Uint8Array) => Promise<GossipVerdict>): void;
  /**
   * Whether what is said on a topic that has its handler comes here, and is passed on through this node. Who has it anyway spares everybody
   * the work. Where absent it always comes.
   */
  setListening?(topic: string, isListening: boolean): void;
  /** Peers that are known to listen. Where absent there may be some. */
  listeners?(topic: string): number;
}

// ---- Directory (DHT) -------------------------------------------------------------------------------------------

/**
 * Signed records by key, kept by strangers: a hint, never an authority. What `find` returns passed the signature
 * and expiry checks of its kind; the caller checks membership and content.
 */
export interface Directory {
  publish(key: Uint8Array, record: Uint8Array, signal?: AbortSignal): Promise<void>;
  find(key: Uint8Array, signal?: AbortSignal): Promise<Uint8Array | undefined>;
}

// A TLS socket as an exchange sees it: fill this buffer, write these bytes. No stream machinery in between, because
// per-chunk costs decide what the lane costs; one chunk of the socket costs one copy into its destination.
//
// Invariants: at most one read at a time; bytes nobody asked for yet are kept, up to BULK_UNREAD_MAX, and stop the
// socket, so that a peer cannot make this side hold more; after the first failure everything else fails with the same
// error and the socket is destroyed. Time limits are looked at when `sweep` is called, about once a second.

import type { TLSSocket } from 'node:tls';
import { assert } from '../../base/assert.ts';
import { StoreError } from '../../base/errors.ts';
import { BODY_RATE_MIN_PER_SECOND, BULK_LINGER_MS, BULK_UNREAD_MAX } from '../../base/limits.ts';

/**
 * Handed to TLS in one call, a multiple of its record. What has left is known slice by slice, so it is short enough to see
 * the minimum rate within a window; a longer one would save a twentieth of the CPU.
 */
const SLICE_LENGTH = 64 * 1024;
/**
 * Windows of the minimum rate that a peer has when it is to take bytes. The system has some 4 MiB of room for them and says
 * so again only when a third is free: a reader of 50 KB/s is heard of once in 28 seconds.
 */
const SEND_WINDOWS = 3;
/** The first body bytes travel with the head in one record of at most this length. */
const RECORD_LENGTH = 16 * 1024;

export interface TransferLimits {
  /** Bytes per second that a body must move over each window: one begins when the one before has moved what it should. */
  readonly rateMinPerSecond: number;
  readonly rateWindowMs: number;
}

export const TRANSFER_LIMITS: TransferLimits = {
  rateMinPerSecond: BODY_RATE_MIN_PER_SECOND,
  rateWindowMs: 10_000,
};

type OnBytes = (count: number) => void;

interface PendingRead {
  readonly target: Uint8Array;
  readonly onBytes: OnBytes | undefined;
  filled: number;
  readonly resolve: () => void;
  readonly reject: (error: StoreError) => void;
}

export class Channel {
  readonly #socket: TLSSocket;
  readonly #limits: TransferLimits;
  #failure: StoreError | undefined;
  #read: PendingRead | undefined;
  #rejectWrite: ((error: StoreError) => void) | undefined;
  #unread: Uint8Array[] = [];
  #unreadLength = 0;
  #isDiscarding = false;
  #received = 0;
  #isHandedOver = true;
  /** What the operating system has not taken of the write under way. */
  #unsentLength = 0;
  #moved = 0;
  #deadlineAt = Number.POSITIVE_INFINITY;
  #deadlineOf = '';
  #window: { readonly sinceMs: number; readonly moved: number } | undefined;
  readonly #ties = new Set<(error: StoreError) => void>();

  /** Takes over the socket's events; the owner feeds `take` with what arrives. */
  constructor(socket: TLSSocket, limits: TransferLimits = TRANSFER_LIMITS) {
    this.#socket = socket;
    this.#limits = limits;
    socket.on('error', (error: NodeJS.ErrnoException) => this.fail(connectionError(error)));
    socket.on('end', () => this.fail(new StoreError('UNREACHABLE', 'the peer closed the connection')));
    socket.on('close', () => this.fail(new StoreError('UNREACHABLE', 'the connection was closed')));
  }

  get failure(): StoreError | undefined {
    return this.#failure;
  }

  /** Bytes that have arrived so far: tells whether a peer said anything since. */
  get received(): number {
    return this.#received;
  }

  /** Bytes that have moved so far, both ways: read by somebody, or taken by the operating system. */
  get moved(): number {
    return this.#moved;
  }

  /** What this side waits for: bytes to come, or bytes to be taken; undefined when it is not the peer's turn. */
  get wait(): { readonly use: 'upload' | 'reply'; readonly leftBytes: number } | undefined {
    if (this.#read !== undefined)
      return { use: 'upload', leftBytes: this.#read.target.length - this.#read.filled };
    return this.#unsentLength > 0 ? { use: 'reply', leftBytes: this.#unsentLength } : undefined;
  }

  /** Calls `run` when the channel fails or is closed, at once if it is already; the returned function unties. */
  tie(run: (error: StoreError) => void): () => void {
    if (this.#failure === undefined) this.#ties.add(run);
    else run(this.#failure);
    return () => this.#ties.delete(run);
  }

  /** Resolves when `target` is full. */
  read(target: Uint8Array, onBytes?: OnBytes): Promise<void> {
    assert(this.#read === undefined, 'one read at a time');
    if (this.#failure !== undefined && this.#unreadLength < target.length)
      return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#read = { target, onBytes, filled: 0, resolve, reject };
      this.#serveUnread();
    });
  }

  /** Bytes from the socket. They are copied, so that the caller may use one buffer for all sockets. */
  take(chunk: Uint8Array): void {
    this.#received += chunk.length;
    if (this.#isDiscarding) return;
    const used = this.#unreadLength === 0 ? this.#fill(chunk) : 0;
    // Not `slice`: of a Buffer that is a view, and the memory is about to be filled again.
    if (used < chunk.length) this.#keep(new Uint8Array(chunk.subarray(used)));
  }

  /** Resolves when the operating system has taken everything. The body's buffers must not change until then. */
  async write(head: Uint8Array, body: readonly Uint8Array[] = [], onBytes?: OnBytes): Promise<void> {
    let left = body.reduce((sum, part) => sum + part.length, 0);
    this.#isHandedOver = false;
    this.#unsentLength = head.length + left;
    for (const { bytes, bodyLength } of slices(head, body)) {
      left -= bodyLength;
      this.#isHandedOver = left === 0;
      await this.#writeSlice(bytes);
      this.#moved += bytes.length;
      this.#unsentLength -= bytes.length;
      if (bodyLength > 0) onBytes?.(bodyLength);
    }
  }

  /** True when the last write has nothing left that the peer could not already have. */
  get isHandedOver(): boolean {
    return this.#isHandedOver;
  }

  /** The time that is left for `what`; undefined lifts the limit. */
  limit(what: string, timeMs: number | undefined): void {
    this.#deadlineOf = what;
    this.#deadlineAt = timeMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeMs;
  }

  /** While true, bytes must move at the minimum rate. */
  set isTransferring(isOn: boolean) {
    this.#window = isOn ? { sinceMs: performance.now(), moved: this.#moved } : undefined;
  }

  /** Fails the channel when a limit is exceeded. */
  sweep(nowMs: number): void {
    if (nowMs >= this.#deadlineAt) {
      this.fail(new StoreError('TIMEOUT', `${this.#deadlineOf} took too long`));
      return;
    }
    if (this.#window === undefined) return;
    const { rateMinPerSecond, rateWindowMs } = this.#limits;
    const windowMs = this.#unsentLength > 0 ? SEND_WINDOWS * rateWindowMs : rateWindowMs;
    if (this.#moved - this.#window.moved >= (rateMinPerSecond * windowMs) / 1000) {
      this.#window = { sinceMs: nowMs, moved: this.#moved };
    } else if (nowMs - this.#window.sinceMs >= windowMs) {
      this.fail(new StoreError('TIMEOUT', `the peer moves less than ${rateMinPerSecond} bytes per second`));
    }
  }

  /** Keeps the process alive for this connection, or not. */
  set isHolding(isOn: boolean) {
    if (isOn) this.#socket.ref();
    else this.#socket.unref();
  }

  /** Says goodbye after what was written, and throws away what still arrives, for a bounded time. */
  finish(): void {
    this.#isDiscarding = true;
    this.#unread = [];
    this.#unreadLength = 0;
    this.isTransferring = false;
    this.limit('saying goodbye', BULK_LINGER_MS);
    this.#socket.resume();
    this.#socket.end();
  }

  /** Ends everything with `error`. The first failure stays. */
  fail(error: StoreError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#socket.destroy();
    this.#read?.reject(error);
    this.#rejectWrite?.(error);
    this.#read = undefined;
    for (const run of this.#ties) run(error);
    this.#ties.clear();
  }

  #writeSlice(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#rejectWrite = reject;
      // An error is also the socket's `error` event, which says what happened to every waiting part.
      this.#socket.write(bytes, (error) => {
        if (error === undefined || error === null) resolve();
      });
    });
  }

  /** Copies into the waiting read; returns how many bytes it could use. */
  #fill(chunk: Uint8Array): number {
    const read = this.#read;
    if (read === undefined) return 0;
    const count = Math.min(chunk.length, read.target.length - read.filled);
    read.target.set(count === chunk.length ? chunk : chunk.subarray(0, count), read.filled);
    read.filled += count;
    this.#moved += count;
    read.onBytes?.(count);
    if (read.filled === read.target.length) {
      this.#read = undefined;
      read.resolve();
    }
    return count;
  }

  #keep(bytes: Uint8Array): void {
    this.#unread.push(bytes);
    this.#unreadLength += bytes.length;
    this.#socket.pause();
    if (this.#unreadLength > BULK_UNREAD_MAX) {
      this.fail(new StoreError('PROTOCOL', 'the peer sends more than it was asked for'));
    }
  }

  #serveUnread(): void {
    while (this.#read !== undefined && this.#unread.length > 0) {
      const chunk = this.#unread[0]!;
      const used = this.#fill(chunk);
      this.#unreadLength -= used;
      if (used === chunk.length) this.#unread.shift();
      else this.#unread[0] = chunk.subarray(used);
    }
    if (this.#read !== undefined && this.#read.target.length === 0) this.#fill(new Uint8Array());
    if (this.#unreadLength === 0 && this.#socket.isPaused()) this.#socket.resume();
  }
}

/** Head and body as they are handed to TLS: the head with the first body bytes, then slices of the parts, uncopied. */
function* slices(
  head: Uint8Array,
  body: readonly Uint8Array[],
): Generator<{ readonly bytes: Uint8Array; readonly bodyLength: number }> {
  const first = firstSlice(head, body);
  yield { bytes: first, bodyLength: first.length - head.length };
  let skip = first.length - head.length;
  for (const part of body) {
    for (let offset = Math.min(skip, part.length); offset < part.length; offset += SLICE_LENGTH) {
      const bytes = part.subarray(offset, offset + SLICE_LENGTH);
      yield { bytes, bodyLength: bytes.length };
    }
    skip -= Math.min(skip, part.length);
  }
}

function firstSlice(head: Uint8Array, body: readonly Uint8Array[]): Uint8Array {
  const bodyLength = body.reduce((sum, part) => sum + part.length, 0);
  const room = Math.max(0, RECORD_LENGTH - head.length);
  const first = new Uint8Array(head.length + Math.min(room, bodyLength));
  first.set(head);
  let filled = head.length;
  for (const part of body) {
    if (filled === first.length) break;
    const count = Math.min(part.length, first.length - filled);
    first.set(part.subarray(0, count), filled);
    filled += count;
  }
  return first;
}

/** What the operating system or the TLS library says, in our codes. */
export function connectionError(error: NodeJS.ErrnoException): StoreError {
  const code = error.code ?? '';
  if (code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS') || code === 'EPROTO') {
    return new StoreError('PROTOCOL', `TLS failed: ${code}`, { cause: error });
  }
  return new StoreError('UNREACHABLE', `the connection failed: ${code === '' ? error.message : code}`, {
    cause: error,
  });
}

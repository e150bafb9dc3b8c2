// Fetches the parts of a state from several nodes at once, each checked before it is written. Who lies is asked no more; who fails is asked
// later; who has given up that state is left alone until another one is fetched.
//
// Invariants: one request per node at a time; no two requests for parts that overlap; a part that was put is never asked for again.

import { short, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import {
  CHUNK_TIMEOUT_MS,
  STATE_SYNC_NODES,
  STATE_SYNC_PATIENCE_MS,
  STATE_SYNC_RETRY_MS,
} from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import { judged, Lie, type Providers } from '../../client/chain/providers.ts';
import { CHAIN_SERVICES } from '../../shards/chain-messages.ts';
import { CHUNK_REPLY_LENGTH_MAX, decodeChunkReply, encodeChunkRequest } from '../../shards/sync-messages.ts';
import { PATH_BITS, type Prefix } from '../../shards/tree/path.ts';
import type { StateRestore } from './types.ts';

export interface ChunkPorts {
  readonly providers: Providers;
  readonly clock: Clock;
  readonly failed: (node: NodeId, error: StoreError) => void;
}

/** What was fetched by this run. */
export interface ChunkCounts {
  readonly chunks: number;
  readonly records: number;
  readonly bytes: number;
}

/** A thousandth of what is asked for otherwise. */
const DEPTH_MAX = 10;

export class ChunkFetch {
  readonly #ports: ChunkPorts;
  readonly #restore: StateRestore;
  /** By node: what it is asked for now. */
  readonly #asked = new Map<string, Prefix>();
  readonly #running = new Set<Promise<void>>();
  /** Until when a node that failed is left alone. */
  readonly #resting = new Map<string, number>();
  /** They do not have the state. */
  readonly #without = new Set<string>();
  /** Digits that are added to what is asked for: more, so that answers are smaller, after one that came too late; fewer after one that came. */
  #depth = 0;
  #progressAtMs: number;
  counts: ChunkCounts = { chunks: 0, records: 0, bytes: 0 };

  constructor(ports: ChunkPorts, restore: StateRestore) {
    this.#ports = ports;
    this.#restore = restore;
    this.#progressAtMs = ports.clock.monotonic();
  }

  /** True when all is here; false when no node has the state any more, or none has given anything for long. Throws ABORTED, DISK. */
  async run(signal: AbortSignal): Promise<boolean> {
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    try {
      return await this.#loop(both);
    } finally {
      stop.abort();
      await Promise.allSettled(this.#running);
    }
  }

  async #loop(signal: AbortSignal): Promise<boolean> {
    while (this.#ports.clock.monotonic() - this.#progressAtMs < STATE_SYNC_PATIENCE_MS) {
      if (signal.aborted) throw new StoreError('ABORTED', 'the state is not fetched any more');
      if (this.#restore.pending.length === 0) return true;
      this.#startAll(signal);
      if (this.#running.size > 0) {
        await Promise.race(this.#running);
      } else {
        if (this.#isNowhere) return false;
        await this.#ports.clock.sleep(STATE_SYNC_RETRY_MS, signal);
      }
    }
    return false;
  }

  get #isNowhere(): boolean {
    const nodes = this.#ports.providers.order();
    return nodes.length > 0 && nodes.every((node) => this.#without.has(toHex(node)));
  }

  #startAll(signal: AbortSignal): void {
    while (this.#running.size < STATE_SYNC_NODES) {
      const [node, prefix] = [this.#freeNode(), this.#freePrefix()];
      if (node === undefined || prefix === undefined) return;
      const run: Promise<void> = this.#fetch(node, prefix, signal).finally(() => {
        this.#running.delete(run);
        this.#asked.delete(toHex(node));
      });
      this.#asked.set(toHex(node), prefix);
      this.#running.add(run);
    }
  }

  #freeNode(): NodeId | undefined {
    const now = this.#ports.clock.monotonic();
    return this.#ports.providers.order().find((node) => {
      const name = toHex(node);
      const isResting = (this.#resting.get(name) ?? 0) > now;
      return !isResting && !this.#asked.has(name) && !this.#without.has(name);
    });
  }

  #freePrefix(): Prefix | undefined {
    const asked = [...this.#asked.values()];
    const free = this.#restore.pending.find((prefix) => !asked.some((other) => overlap(prefix, other)));
    return free === undefined
      ? undefined
      : (`${free}${'0'.repeat(Math.min(this.#depth, PATH_BITS - free.length))}` as Prefix);
  }

  async #fetch(node: NodeId, prefix: Prefix, signal: AbortSignal): Promise<void> {
    try {
      await this.#fetchFrom(node, prefix, signal);
    } catch (error) {
      if (signal.aborted || this.#ports.providers.isLie(node, error)) return;
      if (!(error instanceof StoreError) || OWN_FAILURES.has(error.code)) throw error;
      this.#lost(node, error);
    }
  }

  #lost(node: NodeId, error: StoreError): void {
    if (error.code === 'TIMEOUT') this.#depth = Math.min(DEPTH_MAX, this.#depth + 1);
    if (error.code === 'NOT_FOUND') this.#without.add(toHex(node));
    else this.#resting.set(toHex(node), this.#ports.clock.monotonic() + STATE_SYNC_RETRY_MS);
    this.#ports.failed(node, error);
  }

  async #fetchFrom(node: NodeId, prefix: Prefix, signal: AbortSignal): Promise<void> {
    const { height } = this.#restore.head;
    const bytes = await this.#ask(node, encodeChunkRequest({ height, prefix }), signal);
    const part = judged(() => decodeChunkReply(bytes));
    if (!isLeftEnd(part.chunk.prefix, prefix)) throw new Lie('a chunk of another place than was asked for');
    try {
      await this.#restore.put(part);
    } catch (error) {
      if (error instanceof StoreError && error.code === 'INTEGRITY') throw new Lie(error.message);
      throw error;
    }
    this.#depth = Math.max(0, this.#depth - 1);
    this.#progressAtMs = this.#ports.clock.monotonic();
    const { chunks, records, bytes: before } = this.counts;
    this.counts = {
      chunks: chunks + 1,
      records: records + part.records.length,
      bytes: before + bytes.length,
    };
  }

  /** Whatever code the other node gives its refusal, it says nothing about what is here. */
  async #ask(node: NodeId, header: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    try {
      return await this.#ports.providers.ask(node, {
        service: CHAIN_SERVICES.chunk,
        header,
        maxBodyLength: CHUNK_REPLY_LENGTH_MAX,
        waitMs: CHUNK_TIMEOUT_MS,
        signal,
      });
    } catch (error) {
      if (!(error instanceof StoreError) || !OWN_FAILURES.has(error.code)) throw error;
      throw new StoreError('UNREACHABLE', `node ${short(node)} gives no chunk: ${error.message}`, {
        cause: error,
      });
    }
  }
}

const OWN_FAILURES: ReadonlySet<string> = new Set([
  'INTERNAL',
  'DISK',
  'DAMAGED',
  'CLOSED',
  'INVALID_ARGUMENT',
]);

const overlap = (a: Prefix, b: Prefix): boolean => a.startsWith(b) || b.startsWith(a);

/** The chunk covers the left end of what is under `asked`, or more. */
const isLeftEnd = (chunk: Prefix, asked: Prefix): boolean =>
  asked.startsWith(chunk) || (chunk.startsWith(asked) && !chunk.slice(asked.length).includes('1'));

// Transactions handed in to nodes of a chain as a client does, so many at a time, and when each of them was final and could be proven.

import { toHex } from '../../src/base/bytes.ts';
import { CHAIN_SERVICES, encodeNothing, SUBMIT_REPLY_LENGTH_MAX } from '../../src/shards/chain-messages.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { ephemeralIdentity } from '../../src/runtime/identity.ts';
import { createClientNetwork } from '../../src/runtime/network.ts';
import type { ChainProcesses } from './chain-processes.ts';
import { type Handed, ID_HEX } from './chain-work.ts';
import type { ChainReport } from './chain-worker.ts';
import { sleep } from './consensus-run.ts';

/** Calls under way to one node: less than it lets one peer have. */
const CALLS_PER_NODE = 48;
const DRAIN_MS_MAX = 120_000;

export interface LoadFigures {
  readonly transactions: number;
  readonly refused: number;
  readonly seconds: number;
  /** From hand-in to commit at the node that it was handed to. */
  readonly finalMs: readonly number[];
  /** To the commit of the height after it. */
  readonly provableMs: readonly number[];
  /** To the block that executed its receipt, if there was one; and how many heights after its own. */
  readonly arrivedMs: readonly number[];
  readonly arrivedHeights: readonly number[];
  readonly heights: number;
  /** Of all nodes together. */
  readonly cpuMs: number;
  readonly wireBytes: number;
  /** Largest of all. */
  readonly rssBytes: number;
}

const nowMs = (): number => performance.timeOrigin + performance.now();

/** A client of the first `entries` nodes. */
export class LoadClient {
  readonly #processes: ChainProcesses;
  readonly #network: ReturnType<typeof createClientNetwork>;
  readonly #entries: number;

  constructor(processes: ChainProcesses, entries: number) {
    this.#processes = processes;
    this.#entries = entries;
    this.#network = createClientNetwork({
      identity: ephemeralIdentity(),
      networkId: processes.network,
      clock: systemClock,
    });
    for (const { node, addresses } of processes.nodes) this.#network.setAddresses(node, addresses);
  }

  async close(): Promise<void> {
    await this.#network.close();
  }

  /** Hands in all of them, never more than `window` ahead of what is final, and waits until all are. */
  async run(work: readonly Handed[], window: number): Promise<LoadFigures> {
    const processes = this.#processes;
    let final = 0;
    let wake = (): void => {};
    processes.onCommitted = (node, _height, transactions) => {
      if (node !== 0) return;
      final += transactions;
      wake();
    };
    const before = await processes.reports();
    const beganMs = nowMs();
    const handedMs = new Map<string, number>();
    const free = Array.from({ length: this.#entries }, () => CALLS_PER_NODE);
    const queues = Array.from({ length: this.#entries }, (_, entry) =>
      work.filter(({ sender }) => sender % this.#entries === entry),
    );
    const taken = queues.map(() => 0);
    let handed = 0;
    let refused = 0;
    const submit = async (entry: number, { id, bytes }: Handed): Promise<void> => {
      free[entry]! -= 1;
      handedMs.set(toHex(id).slice(0, ID_HEX), nowMs());
      try {
        await this.#hand(entry, bytes);
      } catch {
        refused++;
        final++;
      } finally {
        free[entry]! += 1;
        wake();
      }
    };
    while (handed < work.length) {
      let isStuck = true;
      for (const [entry, queue] of queues.entries()) {
        if (free[entry] === 0 || taken[entry] === queue.length || handed - final >= window) continue;
        isStuck = false;
        handed++;
        void submit(entry, queue[taken[entry]!++]!);
      }
      if (isStuck) await new Promise<void>((resolve) => (wake = resolve));
    }
    const deadline = performance.now() + DRAIN_MS_MAX;
    while (final < work.length && performance.now() < deadline) await sleep(5);
    const seconds = (nowMs() - beganMs) / 1000;
    await sleep(150);
    const after = await processes.reports();
    return figuresOf({ work, handedMs, refused, seconds, before, after, entries: this.#entries });
  }

  async #hand(entry: number, bytes: Uint8Array): Promise<void> {
    const { node } = this.#processes.nodes[entry]!;
    const request = { header: encodeNothing(), body: [bytes] };
    const options = { timeoutMs: 30_000, maxBodyLength: SUBMIT_REPLY_LENGTH_MAX };
    for (let tries = 0; ; tries++) {
      try {
        await this.#network.call(node, CHAIN_SERVICES.submit, request, options);
        return;
      } catch (error) {
        if (tries === 20 || (error as { code?: string }).code !== 'BUSY') throw error;
        await sleep(50);
      }
    }
  }
}

interface Run {
  readonly work: readonly Handed[];
  readonly handedMs: ReadonlyMap<string, number>;
  readonly refused: number;
  readonly seconds: number;
  readonly before: readonly ChainReport[];
  readonly after: readonly ChainReport[];
  readonly entries: number;
}

function figuresOf({ work, handedMs, refused, seconds, before, after, entries }: Run): LoadFigures {
  const sum = (read: (report: ChainReport) => number): number =>
    after.reduce((total, report, index) => total + read(report) - read(before[index]!), 0);
  const finalMs: number[] = [];
  const provableMs: number[] = [];
  const arrivedMs: number[] = [];
  const arrivedHeights: number[] = [];
  const places = after.slice(0, entries).map(placesOf);
  let count = 0;
  for (const { id, sender } of work) {
    const name = toHex(id).slice(0, ID_HEX);
    const { final, arrived, times } = places[sender % entries]!;
    const at = final.get(name);
    const began = handedMs.get(name);
    if (at === undefined || began === undefined) continue;
    count++;
    finalMs.push(times.get(at)! - began);
    const proven = times.get(at + 1);
    if (proven !== undefined) provableMs.push(proven - began);
    const there = arrived.get(name);
    if (there === undefined) continue;
    arrivedMs.push(times.get(there)! - began);
    arrivedHeights.push(there - at);
  }
  const first = after[0]!;
  return {
    transactions: count,
    refused: refused + first.blocks.reduce((total, block) => total + block.refused, 0),
    seconds,
    finalMs,
    provableMs,
    arrivedMs,
    arrivedHeights,
    heights: first.height - before[0]!.height,
    cpuMs: sum(({ cpuUs }) => cpuUs) / 1000,
    wireBytes: sum(({ wireBytesSent }) => wireBytesSent),
    rssBytes: Math.max(...after.map(({ rssBytes }) => rssBytes)),
  };
}

interface Places {
  /** Heights by transaction: of its block, and of the one that executed its receipt. */
  readonly final: ReadonlyMap<string, number>;
  readonly arrived: ReadonlyMap<string, number>;
  readonly times: ReadonlyMap<number, number>;
}

function placesOf({ blocks }: ChainReport): Places {
  const final = new Map<string, number>();
  const arrived = new Map<string, number>();
  for (const { height, ids, origins } of blocks) {
    for (const id of namesIn(ids)) final.set(id, height);
    for (const id of namesIn(origins)) arrived.set(id, height);
  }
  return { final, arrived, times: new Map(blocks.map(({ height, atMs }) => [height, atMs])) };
}

function namesIn(ids: string): readonly string[] {
  return Array.from({ length: ids.length / ID_HEX }, (_, at) => ids.slice(ID_HEX * at, ID_HEX * (at + 1)));
}

export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}

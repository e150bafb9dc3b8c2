// Reads the index of holdings, as it is now or as it was at a moment.

import type { Sha256 } from '../../base/hash.ts';
import type { NodeId } from '../../base/ids.ts';
import { HOLDINGS_PAGE } from '../../base/limits.ts';
import type { KeyValue } from '../../base/ports.ts';
import {
  type Asked,
  type AuditParams,
  type AuditRound,
  type ClassTotal,
  entriesMax,
  type HashRange,
  type HeldPlace,
  mergeAsked,
  pickFrom,
  planDraw,
  rangesOf,
  type Window,
} from '../../proofs/draw.ts';
import type { KeyValueSnapshot } from '../../runtime/key-value.ts';
import {
  decodeTotals,
  hashRange,
  nodeOfTotal,
  nodeRange,
  placeKey,
  readHeld,
  totalKey,
  totalsRange,
} from './holdings-keys.ts';

/** What a node is asked in a round, and what it was to hold then. */
export interface Drawn {
  readonly node: NodeId;
  readonly asked: readonly Asked[];
  /** By size class. */
  readonly classes: readonly ClassTotal[];
}

export class HoldingsReader {
  readonly #source: Pick<KeyValue, 'get' | 'range'>;
  readonly #sha256: Sha256;

  constructor(source: Pick<KeyValue, 'get' | 'range'>, sha256: Sha256) {
    this.#source = source;
    this.#sha256 = sha256;
  }

  /** By size class. */
  async classes(node: NodeId): Promise<readonly ClassTotal[]> {
    return decodeTotals(await this.#source.get(totalKey(node)));
  }

  /** Places of a size class, in the order of their hashes: `limit` at most. */
  async range(
    node: NodeId,
    sizeClass: number,
    range: HashRange,
    limit: number,
  ): Promise<readonly HeldPlace[]> {
    const { from, to } = hashRange(node, sizeClass, range);
    const held: HeldPlace[] = [];
    for await (const [key, value] of this.#source.range(from, to, limit)) held.push(readHeld(key, value));
    return held;
  }

  /**
   * All that the node holds, by size class and place hash, a page at a time: what changes hands meanwhile may show or not. `after`
   * goes on behind a place.
   */
  async *piecesOf(node: NodeId, after?: HeldPlace): AsyncGenerator<HeldPlace> {
    let last = after === undefined ? undefined : placeKey(node, after, this.#sha256);
    for (;;) {
      const { from, to } = nodeRange(node, last);
      const page: HeldPlace[] = [];
      for await (const [key, value] of this.#source.range(from, to, HOLDINGS_PAGE)) {
        page.push(readHeld(key, value));
        last = key;
      }
      yield* page;
      if (page.length < HOLDINGS_PAGE) return;
    }
  }

  /** Nodes that hold something, a page at a time, as they are then. */
  async *holders(): AsyncGenerator<NodeId> {
    let last: NodeId | undefined;
    for (;;) {
      const { from, to } = totalsRange(last);
      const page: NodeId[] = [];
      for await (const [key] of this.#source.range(from, to, HOLDINGS_PAGE)) page.push(nodeOfTotal(key));
      yield* page;
      last = page.at(-1);
      if (page.length < HOLDINGS_PAGE) return;
    }
  }

  /** As `drawAsked` draws it. It takes some hundred reads; where the index may change meanwhile, use a snapshot. */
  async drawOf(round: AuditRound, node: NodeId, params: AuditParams, signal?: AbortSignal): Promise<Drawn> {
    const classes = await this.classes(node);
    const picks: (readonly Asked[])[] = [];
    for (const window of planDraw(round, node, classes, params, this.#sha256)) {
      signal?.throwIfAborted();
      picks.push(pickFrom(window, await this.#entries(node, window), this.#sha256));
    }
    return { node, asked: mergeAsked(picks), classes };
  }

  async #entries(node: NodeId, window: Window): Promise<readonly HeldPlace[]> {
    const entries: HeldPlace[] = [];
    for (const range of rangesOf(window)) {
      const left = entriesMax(window) - entries.length;
      if (left > 0) entries.push(...(await this.range(node, window.sizeClass, range, left)));
    }
    return entries;
  }
}

/** The index as it was when this was made. */
export class HoldingsSnapshot extends HoldingsReader {
  readonly #snapshot: KeyValueSnapshot;

  constructor(snapshot: KeyValueSnapshot, sha256: Sha256) {
    super(snapshot, sha256);
    this.#snapshot = snapshot;
  }

  close(): Promise<void> {
    return this.#snapshot.close();
  }
}

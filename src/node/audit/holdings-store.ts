// The index of what every node holds by the chain's records, in the order in which audits draw: it follows from the state, so it is
// kept beside it and changed in the same write.
//
// Invariants
//   The index after a height is what the records of the state after it say, as far as the mark covers them (`holdings-mark.ts`). A mark
//   that does not stand at the head says nothing: blocks were committed without the index, or a state was fetched. Then it is built again.
//   Building goes on beside the chain, a step between two blocks at a time, and after a crash where it was.
//   Who reads gets all of it or BUSY, never a part.

import { assert } from '../../base/assert.ts';
import { toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { NodeId } from '../../base/ids.ts';
import { HOLDINGS_STEP_PLACES, HOLDINGS_STEP_RECORDS, PRUNE_ENTRIES_PER_STEP } from '../../base/limits.ts';
import type { KeyValueOperation } from '../../base/ports.ts';
import type { AuditParams, AuditRound, ClassTotal, HashRange, HeldPlace } from '../../proofs/draw.ts';
import { sizeClass } from '../../proofs/place.ts';
import type { LocalKeyValue } from '../../runtime/key-value.ts';
import { objectKey } from '../../shards/object-record.ts';
import type { Executed } from '../../shards/session.ts';
import type { RecordSource } from '../chain/settle.ts';
import type { ChainStore, Decided, Derived, Head, NextDerived, StillState } from '../chain/types.ts';
import type { NodeLogger } from '../storage-node.ts';
import { type Holding, holdingChanges } from './holdings-diff.ts';
import {
  decodeTotals,
  encodeTotals,
  encodeWeight,
  INDEX_RANGE,
  MARK_KEY,
  placeKey,
  totalKey,
} from './holdings-keys.ts';
import { decodeMark, encodeMark, firstMark, isCovered, type Mark } from './holdings-mark.ts';
import { type Drawn, HoldingsReader, HoldingsSnapshot } from './holdings-reader.ts';
import { scanStep, type StepSize } from './holdings-scan.ts';

export interface HoldingsPorts {
  /** The database of the chain. */
  readonly keyValue: LocalKeyValue;
  readonly sha256: Sha256;
}

export interface BuildOptions {
  readonly logger?: Pick<NodeLogger, 'info'>;
  readonly signal?: AbortSignal;
  readonly step?: StepSize;
}

const STEP: StepSize = { records: HOLDINGS_STEP_RECORDS, places: HOLDINGS_STEP_PLACES };
const PATHS = 2 ** 32;
/** Percent. */
const SAID_EVERY = 10;

/** Before the chain's store is opened, which it is handed to. Throws DAMAGED. */
export async function openHoldings(ports: HoldingsPorts): Promise<HoldingsStore> {
  const bytes = await ports.keyValue.get(MARK_KEY);
  return new HoldingsStore(ports, bytes === undefined ? undefined : decodeMark(bytes));
}

/** What a block made change hands, of what the index covers. */
export interface Moved {
  readonly lost: readonly Holding[];
  readonly gained: readonly Holding[];
}

export class HoldingsStore implements Derived {
  readonly #ports: HoldingsPorts;
  readonly #reader: HoldingsReader;
  #mark: Mark | undefined;
  /** The mark was seen to stand at the head. */
  #isCurrent = false;
  readonly #listeners = new Set<(moved: Moved) => void>();

  constructor(ports: HoldingsPorts, mark: Mark | undefined) {
    this.#ports = ports;
    this.#reader = new HoldingsReader(ports.keyValue, ports.sha256);
    this.#mark = mark;
  }

  /** Whether it can be read. */
  get isWhole(): boolean {
    return this.#isCurrent && this.#mark?.stage === 'whole';
  }

  /** Nodes that hold something. Throws BUSY while the index is built. */
  get holdersCount(): number {
    this.#checkWhole();
    return this.#mark!.holders;
  }

  /** `listener` is told what every block made change hands, when it is durable. The returned function ends that. */
  onMoved(listener: (moved: Moved) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // ---- Reading -----------------------------------------------------------------------------------------------

  /** The index as it is now, to be closed soon. Throws BUSY while the index is built. */
  snapshot(): HoldingsSnapshot {
    this.#checkWhole();
    const { from, to } = INDEX_RANGE;
    return new HoldingsSnapshot(this.#ports.keyValue.snapshot(from, to), this.#ports.sha256);
  }

  /** By size class. Throws BUSY while the index is built. */
  async classes(node: NodeId): Promise<readonly ClassTotal[]> {
    this.#checkWhole();
    return this.#reader.classes(node);
  }

  /** Places of a size class, in the order of their hashes: `limit` at most. Throws BUSY while the index is built. */
  async range(node: NodeId, drawn: number, range: HashRange, limit: number): Promise<readonly HeldPlace[]> {
    this.#checkWhole();
    return this.#reader.range(node, drawn, range, limit);
  }

  /** All that the node holds, as `HoldingsReader.piecesOf`. Throws BUSY while the index is built. */
  async *piecesOf(node: NodeId, after?: HeldPlace): AsyncGenerator<HeldPlace> {
    this.#checkWhole();
    yield* this.#reader.piecesOf(node, after);
  }

  /** Nodes that hold something. Throws BUSY while the index is built. */
  async *holders(): AsyncGenerator<NodeId> {
    this.#checkWhole();
    yield* this.#reader.holders();
  }

  /** What the node would be asked for if the round began after the head. Throws BUSY while the index is built. */
  async drawOf(round: AuditRound, node: NodeId, params: AuditParams, signal?: AbortSignal): Promise<Drawn> {
    const snapshot = this.snapshot();
    try {
      return await snapshot.drawOf(round, node, params, signal);
    } finally {
      await snapshot.close();
    }
  }

  #checkWhole(): void {
    if (this.isWhole) return;
    throw new StoreError('BUSY', 'the index of what nodes hold is being built', {
      next: 'Ask again later: the log says how far it is.',
    });
  }

  // ---- With the chain ----------------------------------------------------------------------------------------

  async next(
    { block }: Decided,
    { changes }: Executed,
    parent: Head,
    state: RecordSource,
  ): Promise<NextDerived> {
    const { height } = block.header;
    const mark = this.#mark;
    if (mark === undefined || mark.height !== parent.height) return this.#to(firstMark(height), []);
    if (mark.stage === 'clearing') return this.#to({ ...mark, height }, []);
    const covered = (await holdingChanges(changes, state)).filter(({ object, part }) =>
      isCovered(mark, objectKey(object).path, part),
    );
    const lost = covered.flatMap((change) => change.lost);
    const gained = covered.flatMap((change) => change.gained);
    const { operations, holders } = await this.#change(lost, gained);
    const next = this.#to({ ...mark, height, holders: mark.holders + holders }, operations);
    return {
      ...next,
      remember: () => {
        next.remember();
        if (covered.length > 0) for (const listener of this.#listeners) listener({ lost, gained });
      },
    };
  }

  replaced(): void {
    this.#isCurrent = false;
  }

  #to(mark: Mark, operations: readonly KeyValueOperation[]): NextDerived {
    return {
      operations: [...operations, { kind: 'put', key: MARK_KEY, value: encodeMark(mark) }],
      remember: () => {
        this.#mark = mark;
        this.#isCurrent = true;
      },
    };
  }

  /** What makes others hold what is lost and gained, and how many nodes more hold something then. */
  async #change(
    lost: readonly Holding[],
    gained: readonly Holding[],
  ): Promise<{ readonly operations: readonly KeyValueOperation[]; readonly holders: number }> {
    const { keyValue, sha256 } = this.#ports;
    const nodes = new Map([...lost, ...gained].map(({ node }) => [toHex(node), node]));
    const keys = [...nodes.values()].map(totalKey);
    const totals = keys.length === 0 ? [] : await keyValue.getMany(keys);
    const sums = new Map([...nodes.keys()].map((text, index) => [text, new Sum(totals[index])]));
    for (const holding of lost) sums.get(toHex(holding.node))!.add(holding, -1);
    for (const holding of gained) sums.get(toHex(holding.node))!.add(holding, 1);
    const all = [...sums.values()];
    return {
      operations: [
        ...lost.map((holding) => ({ kind: 'delete' as const, key: placeKey(holding.node, holding, sha256) })),
        ...gained.map((holding) => ({
          kind: 'put' as const,
          key: placeKey(holding.node, holding, sha256),
          value: encodeWeight(holding.weight),
        })),
        ...all.map((sum, index) => sum.operation(keys[index]!)),
      ],
      holders: all.reduce(
        (count, { wasHolder, isHolder }) => count + Number(isHolder) - Number(wasHolder),
        0,
      ),
    };
  }

  // ---- Building ----------------------------------------------------------------------------------------------

  /**
   * Resolves when the index can be read, which it can at once where it stands at the head of `store`. To be called after a start and after a
   * state was fetched. Throws what the signal says, DAMAGED, DISK, CLOSED.
   */
  async build(
    store: Pick<ChainStore, 'still'>,
    { logger, signal, step = STEP }: BuildOptions = {},
  ): Promise<void> {
    let said = 0;
    for (let steps = 0; ; steps++) {
      signal?.throwIfAborted();
      const isWhole = await store.still((state) => this.#buildStep(state, step));
      const percent = this.#percent();
      if (steps > 0 && (isWhole || percent >= said)) {
        said = percent + SAID_EVERY;
        logger?.info({ percent, holders: this.#mark!.holders }, 'reads from the state what nodes hold');
      }
      if (isWhole) return;
    }
  }

  #percent(): number {
    const { stage, cursor } = this.#mark!;
    if (stage === 'whole') return 100;
    const { path } = cursor;
    const at = new DataView(path.buffer, path.byteOffset, path.length).getUint32(0);
    return Math.floor((100 * at) / PATHS);
  }

  /** Does a part of what is left; true when that is nothing. */
  async #buildStep(state: StillState, size: StepSize): Promise<boolean> {
    const { height } = state.head;
    const mark = this.#mark;
    if (mark === undefined || mark.height !== height) await this.#write(this.#to(firstMark(height), []));
    else if (mark.stage === 'clearing') await this.#clearStep(mark);
    else if (mark.stage === 'reading') await this.#readStep(mark, state, size);
    else this.#isCurrent = true;
    return this.isWhole;
  }

  async #clearStep(mark: Mark): Promise<void> {
    const { from, to } = INDEX_RANGE;
    const deletes: KeyValueOperation[] = [];
    for await (const [key] of this.#ports.keyValue.range(from, to, PRUNE_ENTRIES_PER_STEP)) {
      deletes.push({ kind: 'delete', key });
    }
    await this.#write(this.#to(deletes.length > 0 ? mark : { ...mark, stage: 'reading' }, deletes));
  }

  async #readStep(mark: Mark, state: StillState, size: StepSize): Promise<void> {
    const { found, cursor } = await scanStep(state, mark.cursor, size);
    const { operations, holders } = await this.#change([], found);
    const stage = cursor === undefined ? 'whole' : 'reading';
    const next: Mark = { ...mark, stage, cursor: cursor ?? mark.cursor, holders: mark.holders + holders };
    await this.#write(this.#to(next, operations));
  }

  /** Durable: a later write must not survive without this one. */
  async #write({ operations, remember }: NextDerived): Promise<void> {
    await this.#ports.keyValue.batch(operations, { isDurable: true });
    remember();
  }
}

/** What a node holds, by size class, while it changes. */
class Sum {
  readonly wasHolder: boolean;
  readonly #totals: { count: number; weight: number }[];

  constructor(bytes: Uint8Array | undefined) {
    this.wasHolder = bytes !== undefined;
    this.#totals = decodeTotals(bytes).map(({ count, weight }) => ({ count, weight }));
  }

  get isHolder(): boolean {
    return this.#totals.some(({ count }) => count > 0);
  }

  /** What is lost comes before what is gained. */
  add({ weight }: Holding, sign: 1 | -1): void {
    const total = this.#totals[sizeClass(weight)]!;
    total.count += sign;
    total.weight += sign * weight;
    assert(total.count >= 0 && total.weight >= total.count, 'nobody loses what it did not hold');
  }

  operation(key: Uint8Array): KeyValueOperation {
    return this.isHolder ? { kind: 'put', key, value: encodeTotals(this.#totals) } : { kind: 'delete', key };
  }
}

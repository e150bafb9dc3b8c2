// Stake at a node: who bonded how much, and what is on its way out.
//
// - Bonded: gives power. Waiting: asked to leave, still liable, and may still give power until a border lets it go (`churn.ts`). Unbonding: let
//   go; `lastEpoch` is the last epoch whose validators it may back. Free once that epoch is too old for evidence.
// - A slash takes the same share of everything that was behind the node in the epoch of the offence: bonds, what waits, and what unbonds
//   with `lastEpoch` no earlier. Shares are rounded down, so no more is ever taken than is there.
//
// Invariant: node.bonded and node.waiting are the sums of these lists. Amounts change together with them, here and in
// `stake-changes.ts` alone.

import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { compare, equal, toHex } from '../base/bytes.ts';
import { bigUint, decodeCanonical, digestOf, listOf, uint } from '../base/codec.ts';
import type { Epoch, OwnerId } from '../base/ids.ts';
import {
  ASSETS_MAX,
  BONDERS_MAX,
  STATE_RECORD_LENGTH_MAX,
  UNBONDINGS_PER_OWNER_MAX,
} from '../base/limits.ts';
import {
  type Amounts,
  amountIn,
  amountOf,
  amountsSchema,
  type AssetIndex,
  minusAmounts,
  NOTHING,
  plusAmounts,
} from './amounts.ts';
import { type NodeRecord, putNode, type Registration } from './node.ts';
import type { RefusalCode } from './operation.ts';
import type { Parameters } from './parameters.ts';
import type { RecordType } from './record.ts';
import { stakeOf } from './stake.ts';
import type { RecordKind, StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import type { Overlay } from './view.ts';

export interface Bond {
  readonly owner: OwnerId;
  readonly amounts: Amounts;
}

export interface Unbonding {
  readonly owner: OwnerId;
  readonly asset: AssetIndex;
  readonly amount: bigint;
  /** Null: it waits for a border to let it go. */
  readonly lastEpoch: Epoch | null;
}

/** The operator has a place of its own. */
const OWNERS_MAX = BONDERS_MAX + 1;

// ---- Records -----------------------------------------------------------------------------------------------------

const bondSchema = z
  .tuple([digestOf<OwnerId>(), amountsSchema])
  .transform(([owner, amounts]): Bond => ({ owner, amounts }));

const unbondingSchema = z
  .tuple([digestOf<OwnerId>(), uint(ASSETS_MAX - 1), bigUint, z.union([uint(), z.null()])])
  .transform(
    ([owner, asset, amount, lastEpoch]): Unbonding => ({
      owner,
      asset,
      amount,
      lastEpoch: lastEpoch as Epoch | null,
    }),
  );

/** Ascending by owner. */
export const bondsRecord: RecordType<readonly Bond[]> = {
  name: 'bonds',
  schema: z.tuple([listOf(bondSchema, OWNERS_MAX)]).transform(([bonds]) => bonds),
  tuple: (bonds) => [bonds.map(({ owner, amounts }) => [owner, amounts])],
};

/** First come, first let go. */
export const unbondingRecord: RecordType<readonly Unbonding[]> = {
  name: 'unbonding',
  schema: z
    .tuple([listOf(unbondingSchema, OWNERS_MAX * UNBONDINGS_PER_OWNER_MAX)])
    .transform(([queue]) => queue),
  tuple: (queue) => [queue.map(({ owner, asset, amount, lastEpoch }) => [owner, asset, amount, lastEpoch])],
};

export const bondsKey = (registration: Registration): StateKey => systemKey('bonds', registration);

export const unbondingKey = (registration: Registration): StateKey => systemKey('unbonding', registration);

export function bondsOf(state: Overlay, registration: Registration): readonly Bond[] {
  return state.get(bondsKey(registration), bondsRecord) ?? [];
}

export function unbondingOf(state: Overlay, registration: Registration): readonly Unbonding[] {
  return state.get(unbondingKey(registration), unbondingRecord) ?? [];
}

export function putBonds(state: Overlay, registration: Registration, bonds: readonly Bond[]): void {
  const left = bonds.filter(({ amounts }) => amounts.length > 0);
  if (left.length === 0) return state.remove(bondsKey(registration));
  state.put(
    bondsKey(registration),
    bondsRecord,
    left.toSorted((a, b) => compare(a.owner, b.owner)),
  );
}

export function putUnbonding(state: Overlay, registration: Registration, queue: readonly Unbonding[]): void {
  const left = queue.filter(({ amount }) => amount > 0n);
  if (left.length === 0) state.remove(unbondingKey(registration));
  else state.put(unbondingKey(registration), unbondingRecord, left);
}

const ofOwner =
  (owner: OwnerId) =>
  (entry: { readonly owner: OwnerId }): boolean =>
    equal(entry.owner, owner);

/** Kinds of records of this file that hold tokens, for the audit of the supply. */
export const STAKE_HOLDINGS: ReadonlyMap<RecordKind, (record: Uint8Array) => Amounts> = new Map([
  [
    'bonds',
    (record: Uint8Array) =>
      sumOf(decodeCanonical(bondsRecord.schema, record, STATE_RECORD_LENGTH_MAX, 'bonds').map(amountsOf)),
  ],
  [
    'unbonding',
    (record: Uint8Array) =>
      sumOf(
        decodeCanonical(unbondingRecord.schema, record, STATE_RECORD_LENGTH_MAX, 'unbonding').map(
          ({ asset, amount }) => amountOf(asset, amount),
        ),
      ),
  ],
] as const);

const amountsOf = ({ amounts }: Bond): Amounts => amounts;

// ---- In and out --------------------------------------------------------------------------------------------------

/** `amounts` came for the node from `owner`. */
export function addBond(
  state: Overlay,
  parameters: Parameters,
  node: NodeRecord,
  owner: OwnerId,
  amounts: Amounts,
): RefusalCode | undefined {
  const bonds = bondsOf(state, node.registration);
  const before = bonds.find(ofOwner(owner))?.amounts ?? NOTHING;
  const after = plusAmounts(before, amounts);
  const isSound = amounts.every(
    ([asset]) =>
      parameters.assets[asset]?.isCapacity === false && amountIn(after, asset) >= parameters.stake.bondMin,
  );
  if (amounts.length === 0 || !isSound) return 'invalid-argument';
  if (!hasPlace(state, node, owner, bonds)) return 'limit-exceeded';
  putBonds(state, node.registration, [
    ...bonds.filter((bond) => !ofOwner(owner)(bond)),
    { owner, amounts: after },
  ]);
  putNode(state, { ...node, bonded: plusAmounts(node.bonded, amounts) });
  return undefined;
}

function hasPlace(state: Overlay, node: NodeRecord, owner: OwnerId, bonds: readonly Bond[]): boolean {
  if (bonds.some(ofOwner(owner)) || equal(owner, node.operator)) return true;
  const queue = unbondingOf(state, node.registration);
  if (queue.some(ofOwner(owner))) return true;
  const others = [...bonds, ...queue].filter((entry) => !equal(entry.owner, node.operator));
  return new Set(others.map((entry) => toHex(entry.owner))).size < BONDERS_MAX;
}

/** `owner` wants `amount` of its bond back: it waits for the next border. */
export function startUnbonding(
  state: Overlay,
  parameters: Parameters,
  node: NodeRecord,
  owner: OwnerId,
  asset: AssetIndex,
  amount: bigint,
): RefusalCode | undefined {
  const bonds = bondsOf(state, node.registration);
  const bond = bonds.find(ofOwner(owner));
  const left = bond === undefined ? undefined : minusAmounts(bond.amounts, amountOf(asset, amount));
  if (left === undefined) return 'insufficient-balance';
  const leftOf = amountIn(left, asset);
  if (amount === 0n || (leftOf > 0n && leftOf < parameters.stake.bondMin)) return 'invalid-argument';
  const queue = withWaiting(unbondingOf(state, node.registration), { owner, asset, amount, lastEpoch: null });
  if (queue.filter(ofOwner(owner)).length > UNBONDINGS_PER_OWNER_MAX) return 'limit-exceeded';
  putUnbonding(state, node.registration, queue);
  putBonds(state, node.registration, [
    ...bonds.filter((each) => !ofOwner(owner)(each)),
    { owner, amounts: left },
  ]);
  putNode(state, {
    ...node,
    bonded: lessOf(node.bonded, amountOf(asset, amount)),
    waiting: plusAmounts(node.waiting, amountOf(asset, amount)),
  });
  return undefined;
}

/** What waits already of the same owner and asset grows; its turn does not change. */
function withWaiting(queue: readonly Unbonding[], added: Unbonding): readonly Unbonding[] {
  const index = queue.findIndex(
    (entry) => entry.lastEpoch === null && entry.asset === added.asset && ofOwner(added.owner)(entry),
  );
  if (index < 0) return [...queue, added];
  return queue.with(index, { ...added, amount: queue[index]!.amount + added.amount });
}

/**
 * At a border: lets go what waits, in turn, while what stays behind the node is worth at least `power`. It backs validators until the end of
 * `lastEpoch`. Gives the node as it is then.
 */
export function releaseWaiting(
  state: Overlay,
  parameters: Parameters,
  node: NodeRecord,
  power: bigint,
  lastEpoch: Epoch,
): NodeRecord {
  if (node.waiting.length === 0) return node;
  let { waiting } = node;
  const queue = unbondingOf(state, node.registration).map((entry) => {
    if (entry.lastEpoch !== null) return entry;
    const rest = lessOf(waiting, amountOf(entry.asset, entry.amount));
    if (stakeOf(parameters, plusAmounts(node.bonded, rest), node.provenGib) < power) return entry;
    waiting = rest;
    return { ...entry, lastEpoch };
  });
  const released: NodeRecord = { ...node, waiting };
  putUnbonding(state, node.registration, queue);
  putNode(state, released);
  return released;
}

/** Takes out what is free: `owner`'s with a last epoch of which `isFree` is true. Nothing is liable for it any more. */
export function takeFree(
  state: Overlay,
  node: NodeRecord,
  owner: OwnerId,
  isFree: (lastEpoch: Epoch) => boolean,
): Amounts {
  const queue = unbondingOf(state, node.registration);
  const goes = (entry: Unbonding): boolean =>
    ofOwner(owner)(entry) && entry.lastEpoch !== null && isFree(entry.lastEpoch);
  const free = queue.filter(goes);
  putUnbonding(
    state,
    node.registration,
    queue.filter((entry) => !goes(entry)),
  );
  return sumOf(free.map(({ asset, amount }) => amountOf(asset, amount)));
}

export function sumOf(list: readonly Amounts[]): Amounts {
  return list.reduce(plusAmounts, NOTHING);
}

export function lessOf(amounts: Amounts, taken: Amounts): Amounts {
  const left = minusAmounts(amounts, taken);
  assert(left !== undefined, 'sums hold what their parts hold');
  return left;
}

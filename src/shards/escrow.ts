// What owners have paid for and nobody has earned yet. At the border of an epoch what was paid for it is shared by those who hold, by the KiB that
// audits found with each in its rounds: `earned`. It goes to the bonds of the node, where it is liable like the rest, as rewards do.
//
// The escrow knows what it pays out in the epoch that runs, and by how much that rises and falls with each epoch to come. So an object costs it
// nothing while it is kept, and all adds up:
//
//     held = left + sum over this epoch and all to come of what is paid out in it
//
// Where storage is free there are no records of this file.

import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { uint32 } from '../base/bytes.ts';
import { bigUint, decodeCanonical, uint } from '../base/codec.ts';
import type { Epoch } from '../base/ids.ts';
import { EPOCH_MAX, STATE_RECORD_LENGTH_MAX } from '../base/limits.ts';
import type { NodeCounts } from '../proofs/results.ts';
import { amountOf, type Amounts, NATIVE } from './amounts.ts';
import { bondsKey } from './bonds.ts';
import { type Deposit, unspentOf, valueOf } from './deposits.ts';
import { nodeOf, type Registration } from './node.ts';
import { allRegistrations } from './node-index.ts';
import type { Parameters } from './parameters.ts';
import { readAll } from './read-all.ts';
import type { RecordType } from './record.ts';
import { rewardStake } from './stake-changes.ts';
import type { RecordKind, StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import type { Overlay } from './view.ts';

/** Native tokens. */
export interface Escrow {
  readonly held: bigint;
  /** Of that, what belongs to no epoch to come: due at the next border. */
  readonly left: bigint;
  /** Paid out for the epoch that runs. */
  readonly rate: bigint;
}

/** How the rate changes when an epoch begins. */
interface Change {
  readonly up: bigint;
  readonly down: bigint;
}

/** KiB found with a node in the rounds of an epoch, added up. */
export interface Earned {
  readonly epoch: Epoch;
  readonly kib: number;
}

const NOTHING_HELD: Escrow = { held: 0n, left: 0n, rate: 0n };
const NO_CHANGE: Change = { up: 0n, down: 0n };

// ---- Records -------------------------------------------------------------------------------------------------

export const escrowRecord: RecordType<Escrow> = {
  name: 'escrow',
  schema: z
    .tuple([bigUint, bigUint, bigUint])
    .transform(([held, left, rate]): Escrow => ({ held, left, rate })),
  tuple: ({ held, left, rate }) => [held, left, rate],
};

export const escrowChangeRecord: RecordType<Change> = {
  name: 'escrow change',
  schema: z.tuple([bigUint, bigUint]).transform(([up, down]): Change => ({ up, down })),
  tuple: ({ up, down }) => [up, down],
};

export const earnedRecord: RecordType<Earned> = {
  name: 'earned',
  schema: z
    .tuple([uint(EPOCH_MAX), uint()])
    .transform(([epoch, kib]): Earned => ({ epoch: epoch as Epoch, kib })),
  tuple: ({ epoch, kib }) => [epoch, kib],
};

export const escrowKey = (): StateKey => systemKey('escrow');
export const escrowChangeKey = (epoch: number): StateKey => systemKey('escrow-change', uint32(epoch));
export const earnedKey = (registration: Registration): StateKey => systemKey('earned', registration);

/** For the audit of the supply. */
export const ESCROW_HOLDINGS: ReadonlyMap<RecordKind, (record: Uint8Array) => Amounts> = new Map([
  [
    'escrow',
    (record: Uint8Array) =>
      amountOf(NATIVE, decodeCanonical(escrowRecord.schema, record, STATE_RECORD_LENGTH_MAX, 'escrow').held),
  ],
] as const);

export function escrowOf(state: Overlay): Escrow {
  return state.get(escrowKey(), escrowRecord) ?? NOTHING_HELD;
}

function putEscrow(state: Overlay, escrow: Escrow): void {
  if (escrow.held === 0n) state.remove(escrowKey());
  else state.put(escrowKey(), escrowRecord, escrow);
}

function changeAt(state: Overlay, epoch: number): Change {
  return state.get(escrowChangeKey(epoch), escrowChangeRecord) ?? NO_CHANGE;
}

/** What rises and falls by the same amount does not change. */
function shift(state: Overlay, epoch: number, { up, down }: Change): void {
  const before = changeAt(state, epoch);
  const [rises, falls] = [before.up + up, before.down + down];
  const both = rises < falls ? rises : falls;
  const after: Change = { up: rises - both, down: falls - both };
  if (after.up === 0n && after.down === 0n) state.remove(escrowChangeKey(epoch));
  else state.put(escrowChangeKey(epoch), escrowChangeRecord, after);
}

// ---- In and out ----------------------------------------------------------------------------------------------

/** All tokens of the deposit have come, perhaps late: what was for epochs that are over is shared at the next border. */
export function addDeposit(state: Overlay, now: Epoch, deposit: Deposit): void {
  const { perEpoch, from, until } = deposit;
  const escrow = escrowOf(state);
  const begins = Math.max(from, now);
  const late = perEpoch * BigInt(Math.min(begins, until) - from);
  const runs = from <= now && until > now;
  putEscrow(state, {
    held: escrow.held + valueOf(deposit),
    left: escrow.left + late,
    rate: escrow.rate + (runs ? perEpoch : 0n),
  });
  if (until <= now) return;
  if (!runs) shift(state, from, { up: perEpoch, down: 0n });
  shift(state, until, { up: 0n, down: perEpoch });
}

/** Takes back what of the deposits is for epochs to come, and gives how much that is. */
export function takeUnspent(state: Overlay, now: Epoch, deposits: readonly Deposit[]): bigint {
  const unspent = unspentOf(deposits, now);
  for (const { perEpoch, from, until } of unspent) {
    shift(state, from, { up: 0n, down: perEpoch });
    shift(state, until, { up: perEpoch, down: 0n });
  }
  const value = unspent.reduce((sum, deposit) => sum + valueOf(deposit), 0n);
  const escrow = escrowOf(state);
  assert(escrow.held >= value, 'what was paid and is not spent is in escrow');
  putEscrow(state, { ...escrow, held: escrow.held - value });
  return value;
}

// ---- Earning -------------------------------------------------------------------------------------------------

/** A round found this of the node. Who was silent, or asked for nothing, has shown nothing. */
export function earn(
  state: Overlay,
  registration: Registration,
  epoch: Epoch,
  { asked, failed, heldKib }: NodeCounts,
): void {
  // Of big integers: it decides who gets what.
  const found = asked === 0 ? 0 : Number((BigInt(heldKib) * BigInt(asked - failed)) / BigInt(asked));
  if (found === 0) return;
  const before = earnedIn(state, registration, epoch);
  const kib = Math.min(Number.MAX_SAFE_INTEGER, before + found);
  state.put(earnedKey(registration), earnedRecord, { epoch, kib });
}

export function earnedIn(state: Overlay, registration: Registration, epoch: Epoch): number {
  const earned = state.get(earnedKey(registration), earnedRecord);
  return earned?.epoch === epoch ? earned.kib : 0;
}

export function forgetEarned(state: Overlay, registration: Registration): void {
  state.remove(earnedKey(registration));
}

/** At the border of `epoch`: shares out what was paid for it. What nobody can get stays for the next. Throws MissingRecords. */
export function shareOut(state: Overlay, parameters: Parameters, epoch: Epoch): void {
  const escrow = escrowOf(state);
  if (escrow.held === 0n) return;
  const pot = escrow.left + escrow.rate;
  const given = pot === 0n ? 0n : dealOut(state, parameters, epoch, pot);
  const { up, down } = changeAt(state, epoch + 1);
  const rate = escrow.rate + up - down;
  assert(rate >= 0n && given <= pot, 'an escrow pays out what it was paid');
  if (up > 0n || down > 0n) state.remove(escrowChangeKey(epoch + 1));
  putEscrow(state, { held: escrow.held - given, left: pot - given, rate });
}

/** Gives what was given. */
function dealOut(state: Overlay, parameters: Parameters, epoch: Epoch, pot: bigint): bigint {
  const all = allRegistrations(state);
  readAll(state, all.map(earnedKey));
  const earning = all.filter(
    (registration) => earnedIn(state, registration, epoch) > 0 && !nodeOf(state, registration)!.isTombstoned,
  );
  readAll(state, earning.map(bondsKey));
  const total = earning.reduce((sum, each) => sum + BigInt(earnedIn(state, each, epoch)), 0n);
  let given = 0n;
  for (const registration of earning) {
    const share = (pot * BigInt(earnedIn(state, registration, epoch))) / total;
    given += rewardStake(state, parameters, nodeOf(state, registration)!, share);
  }
  return given;
}

// What every block leaves behind for its epoch: the beacon's mix, who proposed and who missed its turn, and how much there was to do. One
// record, written with each block and judged at the border.
//
// A turn is missed when a round of its height passed without a decision, and also when the proposer had a reveal and withheld it: both
// are ways to bend the next seed, so neither is free.

import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { digestOf, listOf, uint } from '../base/codec.ts';
import type { Digest, NodeId } from '../base/ids.ts';
import { BEACON_CHAIN_LENGTH_MAX, VALIDATORS_MAX } from '../base/limits.ts';
import { type ChainPosition, type Contributor, contribute } from '../consensus/beacon.ts';
import { proposerAt } from '../consensus/proposer.ts';
import type { ProposerSchedule, ValidatorIndex } from '../consensus/types.ts';
import type { BlockContext } from './operation.ts';
import type { RecordType } from './record.ts';
import type { StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import { settledEntries } from './validator-sets.ts';
import type { Overlay } from './view.ts';

export interface Turns {
  readonly made: number;
  readonly missed: number;
}

export interface EpochTurns {
  /** All reveals so far, mixed. */
  readonly mix: Digest;
  /** Transactions of the epoch so far. */
  readonly transactions: number;
  /** By index in the epoch's set. */
  readonly turns: readonly Turns[];
}

const turnsSchema = z.tuple([uint(), uint()]).transform(([made, missed]): Turns => ({ made, missed }));

export const turnsRecord: RecordType<EpochTurns> = {
  name: 'turns',
  schema: z
    .tuple([digestOf<Digest>(), uint(), listOf(turnsSchema, VALIDATORS_MAX)])
    .transform(([mix, transactions, turns]): EpochTurns => ({ mix, transactions, turns })),
  tuple: ({ mix, transactions, turns }) => [
    mix,
    transactions,
    turns.map(({ made, missed }) => [made, missed]),
  ],
};

export function turnsKey(): StateKey {
  return systemKey('turns');
}

export function turnsOf(state: Overlay): EpochTurns {
  const record = state.get(turnsKey(), turnsRecord);
  assert(record !== undefined, 'a network has a mix from its genesis on');
  return record;
}

/** A new epoch with `validators` in its set begins. */
export function resetTurns(state: Overlay, mix: Digest, validators: number): void {
  const turns = Array.from({ length: validators }, (): Turns => ({ made: 0, missed: 0 }));
  state.put(turnsKey(), turnsRecord, { mix, transactions: 0, turns });
}

// ---- The beacon's contributors -----------------------------------------------------------------------------------

const positionSchema = z
  .tuple([digestOf<Digest>(), uint(BEACON_CHAIN_LENGTH_MAX)])
  .transform(([tip, remaining]): ChainPosition => ({ tip, remaining }));

const contributorRecord: RecordType<Contributor> = {
  name: 'beacon contributor',
  schema: z
    .tuple([
      z.union([positionSchema, z.null()]),
      z.union([z.tuple([digestOf<Digest>(), uint(BEACON_CHAIN_LENGTH_MAX), uint()]), z.null()]),
    ])
    .transform(
      ([current, pending]): Contributor => ({
        current: current ?? undefined,
        pending:
          pending === null
            ? undefined
            : {
                tip: pending[0],
                remaining: pending[1],
                fromEpoch: pending[2] as NonNullable<Contributor['pending']>['fromEpoch'],
              },
      }),
    ),
  tuple: ({ current, pending }) => [
    current === undefined ? null : [current.tip, current.remaining],
    pending === undefined ? null : [pending.tip, pending.remaining, pending.fromEpoch],
  ],
};

/** A chain belongs to a key: whoever changes its key commits anew. */
export function contributorKey(key: NodeId): StateKey {
  return systemKey('beacon', key);
}

export function contributorOf(state: Overlay, key: NodeId): Contributor | undefined {
  return state.get(contributorKey(key), contributorRecord);
}

export function putContributor(state: Overlay, key: NodeId, contributor: Contributor): void {
  state.put(contributorKey(key), contributorRecord, contributor);
}

export function forgetContributor(state: Overlay, key: NodeId): void {
  state.remove(contributorKey(key));
}

// ---- Each block --------------------------------------------------------------------------------------------------

export interface BlockFacts {
  /** Whose proposal the block is, by index in the epoch's set. */
  readonly proposer: ValidatorIndex;
  readonly reveal: Digest | null;
  /** Whose turns passed without a decision, as far as this epoch's set goes (`missedProposers`). */
  readonly missed: readonly ValidatorIndex[];
}

const NO_CONTRIBUTOR: Contributor = { current: undefined, pending: undefined };

/** Takes a block into the account of its epoch. A reason makes the block invalid. */
export function recordBlock(
  state: Overlay,
  block: BlockContext,
  facts: BlockFacts,
): 'not-the-next-preimage' | 'nothing-committed' | undefined {
  const entry = settledEntries(state, block.epoch)[facts.proposer];
  assert(entry !== undefined, 'a proposer is of the set');
  const owner = { network: block.network, node: entry.node };
  const before = turnsOf(state);
  const contributor = contributorOf(state, entry.node) ?? NO_CONTRIBUTOR;
  const result = contribute(owner, contributor, block.epoch, before.mix, facts.reveal, block.sha256);
  if (result.kind === 'refused') return result.reason;
  if (result.kind === 'revealed') putContributor(state, entry.node, result.contributor);
  const missed = result.kind === 'withheld' ? [...facts.missed, facts.proposer] : facts.missed;
  const made = result.kind === 'withheld' ? [] : [facts.proposer];
  state.put(turnsKey(), turnsRecord, {
    ...before,
    mix: result.kind === 'revealed' ? result.mix : before.mix,
    turns: before.turns.map((turns, index) => ({
      made: turns.made + countOf(made, index),
      missed: turns.missed + countOf(missed, index),
    })),
  });
  return undefined;
}

/** Takes what a block executed into the load of its epoch, by which shards split and merge. */
export function countTransactions(state: Overlay, transactions: number): void {
  const before = turnsOf(state);
  state.put(turnsKey(), turnsRecord, {
    ...before,
    transactions: before.transactions + transactions,
  });
}

function countOf(list: readonly ValidatorIndex[], index: ValidatorIndex): number {
  return list.filter((each) => each === index).length;
}

/** Who was to propose in the rounds before `round` in which `height` was decided: of many rounds, the first. */
export function missedProposers(
  schedule: ProposerSchedule,
  height: number,
  round: number,
): readonly ValidatorIndex[] {
  const rounds = Math.min(round, VALIDATORS_MAX);
  return Array.from({ length: rounds }, (_, each) => proposerAt(schedule, height, each));
}

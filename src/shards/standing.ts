// How a node stands by its audits: when it last showed all it was asked for, how long it has been silent, and a score that falls with every
// failure and heals with every round. Anybody can compute it again from the anchors on the chain.
//
// Silence is not loss: a node that shows nothing at all is away, one that shows some and not the rest has lost the rest. The first is given
// time (`AuditRules`), the second loses the pieces that failed at once.

import { z } from 'zod';
import { uint } from '../base/codec.ts';
import { PROVEN_GIB_MAX } from '../base/limits.ts';
import type { NodeCounts } from '../proofs/results.ts';
import type { AuditRules } from './audit-rules.ts';
import type { Registration } from './node.ts';
import type { RecordType } from './record.ts';
import type { StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import type { Overlay } from './view.ts';

export interface Standing {
  /** The last round whose result is on the chain. */
  readonly round: number;
  /** Block that began the last round in which it showed everything. 0: never yet. */
  readonly provenHeight: number;
  /** Rounds in a row in which it was asked and showed nothing. */
  readonly silentRounds: number;
  /** Of all rounds. */
  readonly asked: number;
  readonly failed: number;
  /**
   * What it had to hold in the last round in which it was not silent, or was asked for nothing. Never 0 while it is silent about something,
   * so that nobody takes who has never shown anything for one that holds nothing.
   */
  readonly heldKib: number;
  /** Parts of a million. */
  readonly score: number;
}

const FULL_SCORE = 1_000_000;
/** A round counts as one part of so many: a single failure is forgotten in a day or two. */
const SCORE_ROUNDS = 256;

const NEW: Standing = {
  round: 0,
  provenHeight: 0,
  silentRounds: 0,
  asked: 0,
  failed: 0,
  heldKib: 0,
  score: FULL_SCORE,
};

export const standingRecord: RecordType<Standing> = {
  name: 'standing',
  schema: z.tuple([uint(), uint(), uint(), uint(), uint(), uint(), uint(FULL_SCORE)]).transform(
    ([round, provenHeight, silentRounds, asked, failed, heldKib, score]): Standing => ({
      round,
      provenHeight,
      silentRounds,
      asked,
      failed,
      heldKib,
      score,
    }),
  ),
  tuple: ({ round, provenHeight, silentRounds, asked, failed, heldKib, score }) => [
    round,
    provenHeight,
    silentRounds,
    asked,
    failed,
    heldKib,
    score,
  ],
};

export function standingKey(registration: Registration): StateKey {
  return systemKey('standing', registration);
}

export function standingOf(state: Overlay, registration: Registration): Standing {
  return state.get(standingKey(registration), standingRecord) ?? NEW;
}

export function putStanding(state: Overlay, registration: Registration, standing: Standing): void {
  state.put(standingKey(registration), standingRecord, standing);
}

export function forgetStanding(state: Overlay, registration: Registration): void {
  state.remove(standingKey(registration));
}

/**
 * The standing after a round that began at `height`. Anchors come in any order: whether the node is there, the newest round says, or
 * whoever keeps an old anchor back could end a silence with it.
 */
export function afterRound(before: Standing, round: number, height: number, counts: NodeCounts): Standing {
  const { asked, failed, heldKib } = counts;
  const isOlder = round < before.round;
  // Who holds nothing is not asked: whether it is there, nobody has seen, nor what of its places that went to others meanwhile.
  if (asked === 0) return isOlder ? before : { ...before, round, heldKib: Math.min(before.heldKib, heldKib) };
  const isSilent = failed === asked;
  const share = Math.floor(((asked - failed) * FULL_SCORE) / asked);
  const after: Standing = {
    ...before,
    provenHeight: failed === 0 ? Math.max(before.provenHeight, height) : before.provenHeight,
    asked: before.asked + asked,
    failed: before.failed + failed,
    score: Math.floor((before.score * (SCORE_ROUNDS - 1) + share) / SCORE_ROUNDS),
  };
  if (isOlder) return after;
  return {
    ...after,
    round,
    silentRounds: isSilent ? before.silentRounds + 1 : 0,
    heldKib: isSilent ? Math.max(1, before.heldKib) : heldKib,
  };
}

/** GiB that count as proven: rounded down. */
export function provenGib({ heldKib, silentRounds }: Standing, { suspendRounds }: AuditRules): number {
  if (silentRounds >= suspendRounds) return 0;
  return Math.min(PROVEN_GIB_MAX, Math.floor(heldKib / 1024 ** 2));
}

/** `suspended` gets nothing new; what a `lost` one holds is repaired; an `expelled` one is out at the border. */
export type StandingState = 'good' | 'suspended' | 'lost' | 'expelled';

export function stateOf({ silentRounds }: Standing, rules: AuditRules): StandingState {
  if (silentRounds >= rules.expelRounds) return 'expelled';
  if (silentRounds >= rules.lostRounds) return 'lost';
  return silentRounds >= rules.suspendRounds ? 'suspended' : 'good';
}

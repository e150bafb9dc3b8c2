// Late polka: keeps its prevote back until the others' time is nearly up, and then completes a polka for one of them alone. That one
// locks, and the others do not know why it refuses their next blocks; the next one completed is the next proposer, so the locks go
// round. It hopes that a height is held for ever by locks that nobody else knows of (the hidden lock). Passing on the polka of a lock (L3)
// is what ends it: then the next proposer knows which block nobody refuses.

import type { DriverState } from '../../../src/consensus/driver.ts';
import { phaseMs } from '../../../src/consensus/obligations.ts';
import { proposerAt } from '../../../src/consensus/proposer.ts';
import { NO_ROUND, type UnsignedVote, type ValidatorIndex } from '../../../src/consensus/types.ts';
import { isQuorum, powerOf } from '../../../src/consensus/validator-set.ts';
import { votesFor, votesIn } from '../../../src/consensus/vote-keeper.ts';
import type { Place } from '../../sim/world.ts';
import { signAt } from '../../sim/wrapped.ts';
import { campOf, type Liar, lurker, othersIn, type Shelf } from './liar.ts';

/** So much before the time of the victim is up, at a network of some 20 ms. */
const MARGIN_MS = 30;

export const latePolka: Liar = (options) =>
  lurker(options, (place, shelf) => {
    let here = '';
    let hasVoted = false;
    return (driver) => {
      const { round, step } = driver.round;
      if (step === 'unstarted' || step === 'decided') return;
      const height = driver.start.height;
      if (here !== `${height}/${round}`) {
        here = `${height}/${round}`;
        hasVoted = false;
        enter(place, shelf, driver);
      }
      if (hasVoted) return;
      const bait = baitOf(place, driver);
      if (bait === undefined) return;
      hasVoted = true;
      const { vote, victim } = bait;
      const delayMs = Math.max(0, phaseMs(options.timeouts, 'prevote', round) - MARGIN_MS);
      place.timer(delayMs, () => place.send(victim, signAt(place, vote)));
    };
  });

/** Nil precommits keep the rounds going, and tell the others which height it is at. */
function enter(place: Place, shelf: Shelf, driver: DriverState): void {
  const { start, round } = driver;
  const validator = place.validator!;
  const at = { height: start.height, round: round.round, validator } as const;
  place.broadcast(signAt(place, { ...at, kind: 'precommit', blockId: null, validRound: NO_ROUND }));
  if (proposerAt(start.proposers, at.height, at.round) !== validator) return;
  const others = othersIn(start.validators, validator);
  // In the first round some shall prevote a block and some nil; later its rounds are only to be over soon.
  const camp = at.round === 0 ? (campOf(start.validators, validator, others) ?? []) : [];
  const [good, bad] = [shelf.make(at.height, true), shelf.make(at.height, false)];
  if (good === undefined || bad === undefined) return;
  for (const to of others) {
    const { blockId, block } = camp.includes(to) ? good : bad;
    const proposal = signAt(place, { ...at, kind: 'proposal', blockId, validRound: NO_ROUND });
    place.send(to, proposal, block);
  }
}

/** When all the others have prevoted: the vote that would complete a polka, and for whom. */
function baitOf(
  place: Place,
  driver: DriverState,
): { readonly vote: UnsignedVote; readonly victim: ValidatorIndex } | undefined {
  const { start, round, votes } = driver;
  const { validators, height, proposers } = start;
  const self = place.validator!;
  const said = votesIn(votes, round.round);
  if (said?.hasPrevoteQuorum !== true) return undefined;
  const proposer = proposerAt(proposers, height, round.round);
  const next = proposerAt(proposers, height, round.round + 1);
  for (const { kind, blockId, validRound, power } of said.tallies) {
    if (kind !== 'prevote' || blockId === null || isQuorum(validators, power)) continue;
    if (!isQuorum(validators, power + powerOf(validators, self))) continue;
    const voters = votesFor(votes, 'prevote', round.round, blockId, validRound).map((vote) => vote.validator);
    // Not who proposes next: its lock would be no secret then.
    const choices = voters.filter((validator) => validator !== next);
    const victim = choices.includes(proposer) ? proposer : (choices[0] ?? voters[0]!);
    return {
      vote: { kind, height, round: round.round, blockId, validRound, validator: self },
      victim,
    };
  }
  return undefined;
}

// All liars of this folder by name, and who of the validators of a run may be one: together less than a third of the power at every
// height, whatever else is faulty or broken in it.

import type { ValidatorSet } from '../../../src/consensus/types.ts';
import { SeededRandom } from '../../sim/random.ts';
import { isTolerable, type Scenario } from '../../sim/scenario.ts';
import type { ParticipantFactory } from '../../sim/world.ts';
import { amnesiac } from './amnesiac.ts';
import { conflicter } from './conflicter.ts';
import { equivocator } from './equivocator.ts';
import { framer } from './framer.ts';
import { impersonator } from './impersonator.ts';
import { invalidProposer } from './invalid-proposer.ts';
import { latePolka } from './late-polka.ts';
import type { Liar } from './liar.ts';
import { nilVoter } from './nil-voter.ts';
import { outdated } from './outdated.ts';
import { silent } from './silent.ts';

export const LIARS: Readonly<Record<string, Liar>> = {
  amnesiac,
  conflicter,
  equivocator,
  framer,
  impersonator,
  'invalid proposer': invalidProposer,
  'late polka': latePolka,
  'nil voter': nilVoter,
  outdated,
  silent,
};

/** Names of liars, by process. */
export type Cast = ReadonlyMap<number, string>;

/** Epochs are not longer than this, and come again after so many heights. */
const HEIGHTS_LOOKED_AT = 60;

/** Gives parts to as many processes, in drawn order, as the others can bear; to fewer than `names` when they cannot. */
export function castFor(scenario: Scenario, names: readonly string[], random: SeededRandom): Cast {
  const cast = new Map<number, string>();
  const sets = setsOf(scenario);
  const { validatorCount, faulty, brokenAtEnd } = scenario;
  const everybody = Array.from({ length: validatorCount }, (_, process) => process);
  const before = [...new Set([...faulty, ...brokenAtEnd])];
  for (const process of random.sample(everybody, validatorCount)) {
    const name = names[cast.size];
    if (name === undefined) break;
    if (before.includes(process)) continue;
    if (isTolerable(sets, [...before, ...cast.keys(), process])) cast.set(process, name);
  }
  return cast;
}

function setsOf(scenario: Scenario): readonly ValidatorSet[] {
  const sets = new Set<ValidatorSet>();
  for (let height = 1; height <= HEIGHTS_LOOKED_AT; height++) {
    sets.add(scenario.chain.start(height).validators);
  }
  return [...sets];
}

/** What stands at the processes of the cast, for `run`. The tally counts their lives. */
export function factoriesOf(cast: Cast, scenario: Scenario): ReadonlyMap<number, ParticipantFactory> {
  const { timeouts, habits } = scenario;
  const factoryOf = (process: number, name: string): ParticipantFactory => {
    const liar = LIARS[name]!({ timeouts, habits: habits[process]! });
    return (place) => {
      place.tally.add(`liar: ${name}`);
      return liar(place);
    };
  };
  return new Map([...cast].map(([process, name]) => [process, factoryOf(process, name)]));
}

/** The liars of a seed in a campaign: in most runs one, or some of different kinds. */
export function drawnCast(scenario: Scenario): Cast {
  const random = new SeededRandom(scenario.seed, 'cast');
  if (random.chance(0.3)) return new Map();
  const count = random.chance(0.3) ? random.between(2, 3) : 1;
  return castFor(scenario, random.sample(Object.keys(LIARS), count), random);
}

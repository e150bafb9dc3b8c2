// What twins are told to do: which validators are twinned, who hears whom in each of the first rounds, and who proposes in them.

import type { NetworkId } from '../../src/base/ids.ts';
import type { Signer } from '../../src/base/ports.ts';
import { phaseMs } from '../../src/consensus/obligations.ts';
import type { HeightStart, TimeoutParams, ValidatorIndex } from '../../src/consensus/types.ts';
import { validatorSet } from '../../src/consensus/validator-set.ts';
import { type SimKeys, simKeys } from './keys.ts';
import { SeededRandom } from './random.ts';
import { nodeOf } from './world.ts';

export interface TwinsPlan {
  readonly validatorCount: number;
  /** How many of them are twinned. */
  readonly pairCount: number;
}

/** Both sides of the bound, of the smallest sets that bear one and two liars. */
export const TWINS_PLANS: readonly TwinsPlan[] = [
  { validatorCount: 4, pairCount: 1 },
  { validatorCount: 7, pairCount: 2 },
  { validatorCount: 4, pairCount: 2 },
  { validatorCount: 7, pairCount: 3 },
];

export const isWithinBound = ({ validatorCount, pairCount }: TwinsPlan): boolean =>
  3 * pairCount < validatorCount;

const HEIGHT = 1;
export const TIMEOUTS: TimeoutParams = { proposeMs: 60, proposeGrowthMs: 20, voteMs: 20, voteGrowthMs: 10 };

export interface Script {
  readonly voices: readonly ValidatorIndex[];
  readonly twins: ReadonlySet<ValidatorIndex>;
  /** By round: the group of each process. What it sends in that round reaches its group. */
  readonly groups: readonly (readonly number[])[];
  /** The same for precommits: a lock that decides nothing needs polkas that arrive and precommits that do not. */
  readonly precommitGroups: readonly (readonly number[])[];
  readonly delayMaxMs: number;
  /** From here on everybody hears everybody. */
  readonly endMs: number;
  readonly start: Omit<HeightStart, 'self'>;
  readonly signers: readonly Signer[];
}

export const NETWORK: NetworkId = new Uint8Array(32).fill(1) as NetworkId;
/** Keys are the same in all scripts: nothing depends on them. */
export const KEYS: SimKeys = simKeys(new SeededRandom(1, 'twins'), 7, false);

export function scriptOf(random: SeededRandom, { validatorCount, pairCount }: TwinsPlan): Script {
  const everybody = Array.from({ length: validatorCount }, (_, index) => index);
  const twins = random.sample(everybody, pairCount);
  const voices = [...everybody, ...twins];
  const roundCount = random.between(3, 5);
  const split = (): readonly number[] => {
    const groupCount = random.pick([1, 2, 2, 2, 3]);
    return voices.map(() => random.below(groupCount));
  };
  const groups = Array.from({ length: roundCount }, split);
  const precommitGroups = groups.map((group) => (random.chance(0.5) ? group : split()));
  const validators = validatorSet(
    everybody.map((index) => ({ node: nodeOf(KEYS.signers[index]!), power: 1n })),
  );
  const signers = validators.validators.map(
    ({ node }) => KEYS.signers.find((each) => nodeOf(each) === node)!,
  );
  const drawn = groups.map(() => random.pick(random.chance(0.5) ? twins : everybody));
  const slots = [...drawn, ...random.sample(everybody, validatorCount), ...everybody];
  let endMs = 0;
  for (let round = 0; round < roundCount; round++) endMs += phaseMs(TIMEOUTS, 'rebroadcast', round);
  return {
    voices,
    twins: new Set(twins),
    groups,
    precommitGroups,
    delayMaxMs: random.pick([2, 2, 15, 40]),
    endMs,
    start: { height: HEIGHT, validators, proposers: { firstHeight: HEIGHT, slots } },
    signers,
  };
}

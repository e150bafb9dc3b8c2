// Runs with liars in them: in storms as they are drawn, and on a stage where powers, proposers and weather are as a plot needs them.

import { validatorSet } from '../../../src/consensus/validator-set.ts';
import type { TimeoutParams, ValidatorIndex } from '../../../src/consensus/types.ts';
import { CALM } from '../../sim/network.ts';
import { SeededRandom } from '../../sim/random.ts';
import { type RunOptions, type RunResult, run } from '../../sim/run.ts';
import type { Scenario } from '../../sim/scenario.ts';
import { nodeOf } from '../../sim/world.ts';
import { type Cast, castFor, factoriesOf } from './cast.ts';
import { Ears } from './ears.ts';

export interface Heard extends RunResult {
  readonly cast: Cast;
  readonly ears: Ears;
}

export interface StormOptions extends Pick<RunOptions, 'validatorCount' | 'participant'> {
  /** Powers of the validators, instead of drawn ones. */
  readonly powers?: readonly number[];
  /** Who lies, instead of drawn ones. */
  readonly cast?: Cast;
  readonly arrange?: (scenario: Scenario) => Scenario;
}

/** A run of the seed in which `names` lie, as far as the others can bear it. */
export function runWith(names: readonly string[], seed: number, options: StormOptions = {}): Heard {
  const { powers, participant } = options;
  const validatorCount = powers?.length ?? options.validatorCount ?? 4;
  let cast: Cast = new Map();
  let ears: Ears | undefined;
  const arrange = (drawn: Scenario): Scenario => {
    const weighted = powers === undefined ? drawn : withPowers(drawn, powers);
    const scenario = options.arrange?.(weighted) ?? weighted;
    cast = options.cast ?? castFor(scenario, names, new SeededRandom(seed, 'cast'));
    ears = new Ears(scenario.chain, (process) => cast.has(process));
    return scenario;
  };
  const watcher: RunOptions['watcher'] = later(() => ears!);
  const result = run(seed, {
    validatorCount,
    areAllSound: true,
    arrange,
    cast: (scenario) => factoriesOf(cast, scenario),
    watcher,
    ...(participant === undefined ? {} : { participant }),
  });
  return { ...result, cast, ears: ears! };
}

/** The ears are made when the scenario is known; nothing happens before. */
function later(earsOf: () => Ears): NonNullable<RunOptions['watcher']> {
  return {
    started: () => {},
    crashed: (process) => earsOf().crashed(process),
    exited: () => {},
    fault: () => {},
    applied: (process, input) => earsOf().applied(process, input),
    signed: () => {},
    sent: () => {},
    decided: () => {},
    evidence: (process, evidence) => earsOf().evidence(process, evidence),
    foreignSignature: () => {},
    refused: () => {},
  };
}

/** The same powers at every height. */
function withPowers(scenario: Scenario, powers: readonly number[]): Scenario {
  const validators = validatorSet(
    powers.map((power, index) => ({ node: nodeOf(scenario.keys.signers[index]!), power: BigInt(power) })),
  );
  const start: Scenario['chain']['start'] = (height) => ({ ...scenario.chain.start(height), validators });
  return { ...scenario, chain: { ...scenario.chain, start } };
}

export const STAGE_TIMEOUTS: TimeoutParams = {
  proposeMs: 300,
  proposeGrowthMs: 100,
  voteMs: 100,
  voteGrowthMs: 50,
};

/**
 * No faults, true clocks, and frames that take about as long as each other, for 20 s. `slots` are the proposers of round 0, 1, ... of
 * height 1, again from the front when they are used up; each height begins one slot later.
 */
export const onStage =
  (slots: readonly ValidatorIndex[]) =>
  (scenario: Scenario): Scenario => {
    const start: Scenario['chain']['start'] = (height) => ({
      ...scenario.chain.start(height),
      proposers: { firstHeight: 1, slots },
    });
    const habit = { ...scenario.habits[0]!, delayMaxMs: 5, paceMs: 10, barrenShare: 0 };
    return {
      ...scenario,
      processCount: scenario.validatorCount,
      chain: { ...scenario.chain, start },
      timeouts: STAGE_TIMEOUTS,
      habits: scenario.habits.map(() => habit),
      clocks: scenario.clocks.map(() => ({ skewMs: 0, rate: 1 })),
      weather: { ...CALM, delayMinMs: 14, delayMaxMs: 16 },
      faults: [],
      stormMs: 20_000,
    };
  };

export const seeds = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => from + index);

/** What must not be, in words. */
export function failures(runs: readonly Heard[]): string[] {
  return runs.flatMap(({ seed, cast, violation, ears, accused }) => {
    const who = `seed ${seed}, ${[...cast].map(([process, name]) => `${process} ${name}`).join(', ')}`;
    const innocent = [...accused].filter((validator) => !cast.has(validator));
    return [
      ...(violation === undefined ? [] : [`${who}: ${violation.property}: ${violation.text}`]),
      ...innocent.map((validator) => `${who}: ${validator} is accused`),
      ...ears.forged.map((message) => `${who}: passed the border: ${message}`),
      ...ears.overlooked.map((place) => `${who}: two votes overlooked at ${place}`),
    ];
  });
}

// What `npm run model` explores, and what must come out. Half of the checks are there to fail where theory says that they must: a
// checker that finds nothing beyond the bound finds nothing below it either.
//
// A word on exactly one third. Quorums are more than two thirds, so any two share more than a third: agreement holds even when
// the Byzantine have exactly a third, and breaks one unit above. What is lost at exactly a third is progress: without them the honest have
// two thirds, which is no quorum.

import { Accountability } from './accountability.ts';
import { type Configuration, type Stake, configurationsOf, nameOfConfiguration } from './configurations.ts';
import { type Exploration, type Limits, explore } from './explore.ts';
import type { Tables } from './tables.ts';

/**
 * `safe`: no property is broken, and everybody can decide. `stalls`: no property is broken, and nobody can ever decide. `accountable`:
 * agreement breaks, and every disagreement convicts a third of the power and nobody honest.
 */
export type Expectation = 'safe' | 'stalls' | 'accountable';

export interface Check {
  readonly title: string;
  readonly expectation: Expectation;
  readonly configurations: readonly Configuration[];
}

export interface Outcome {
  readonly check: Check;
  readonly explorations: readonly Exploration[];
  readonly problems: readonly string[];
  readonly elapsedMs: number;
}

/** Less than a third of the power lies. Of validators of equal power, which one lies makes no difference. */
export const BELOW_A_THIRD: readonly Stake[] = [
  { powers: [1, 1, 1, 1], byzantine: [3] },
  { powers: [3, 2, 2, 2], byzantine: [3] },
  { powers: [5, 1, 1, 1], byzantine: [3] },
];

export const EXACTLY_A_THIRD: readonly Stake[] = [
  { powers: [1, 1, 1], byzantine: [2] },
  { powers: [3, 2, 2, 2], byzantine: [0] },
];

/** More than a third and less than two lies, so that agreement breaks and the liars are known. */
export const ABOVE_A_THIRD: readonly Stake[] = [
  { powers: [1, 1, 1, 1], byzantine: [2, 3] },
  { powers: [3, 2, 2, 2], byzantine: [0, 3] },
  { powers: [2, 1, 1], byzantine: [0] },
];

/** The whale lies: ten million disagreements in three rounds, so in two. */
export const WHALE_LIES: Stake = { powers: [5, 1, 1, 1], byzantine: [0] };

/** With somebody honest to propose. */
const quiet = (stake: Stake, rounds: number): Configuration[] =>
  configurationsOf(stake, rounds)
    .filter(({ proposers }) => proposers.some((who) => !stake.byzantine.includes(who)))
    .map((configuration) => ({ ...configuration, isByzantineLoud: false }));

/** The checks of `npm run model`, by number of rounds. */
export function suiteOf(rounds: number): Check[] {
  const few = Math.min(rounds, 2);
  const resting = configurationsOf({ powers: [5, 1, 1, 1], byzantine: [3] }, rounds);
  return [
    ...BELOW_A_THIRD.map((stake) => safe('below a third', configurationsOf(stake, rounds))),
    ...BELOW_A_THIRD.map((stake) => safe('the liar says nothing', quiet(stake, few))),
    ...EXACTLY_A_THIRD.map((stake) => safe('exactly a third', configurationsOf(stake, rounds))),
    ...EXACTLY_A_THIRD.map((stake) => stalls('exactly a third says nothing', quiet(stake, rounds))),
    stalls(
      'the whale rests',
      resting.map((configuration) => ({ ...configuration, silent: [0] })),
    ),
    ...ABOVE_A_THIRD.map((stake) => accountable('above a third', configurationsOf(stake, rounds))),
  ];
}

export const safe = (title: string, configurations: readonly Configuration[]): Check => ({
  title,
  expectation: 'safe',
  configurations,
});

export const accountable = (title: string, configurations: readonly Configuration[]): Check => ({
  title,
  expectation: 'accountable',
  configurations,
});

const stalls = (title: string, configurations: readonly Configuration[]): Check => ({
  title,
  expectation: 'stalls',
  configurations,
});

export type OnExplored = (exploration: Exploration, elapsedMs: number) => void;

/** Explores the configurations of a check, up to the first violation. */
export function runCheck(tables: Tables, check: Check, limits: Limits, onExplored?: OnExplored): Outcome {
  const started = performance.now();
  const explorations: Exploration[] = [];
  for (const configuration of check.configurations) {
    const begun = performance.now();
    const exploration = explore(tables, configuration, optionsOf(tables, check, limits));
    onExplored?.(exploration, performance.now() - begun);
    explorations.push(exploration);
    if (exploration.violation !== undefined) break;
  }
  const problems = explorations.flatMap((exploration) => problemsOf(check.expectation, exploration));
  const disagreements = explorations.reduce((sum, one) => sum + one.disagreements, 0);
  if (check.expectation === 'accountable' && disagreements === 0)
    problems.push('agreement was not seen to break');
  return { check, explorations, problems, elapsedMs: performance.now() - started };
}

function optionsOf(tables: Tables, { expectation }: Check, limits: Limits): Parameters<typeof explore>[2] {
  if (expectation !== 'accountable') return { limits };
  const { isQuorum } = tables.engine.validatorSet;
  return {
    limits,
    onDisagreement: (network) => {
      const judge = new Accountability(network, tables.vocabulary, (power) =>
        isQuorum(network.set, BigInt(power)),
      );
      return (locals, decidable) => judge.judge(locals, decidable);
    },
  };
}

function problemsOf(expectation: Expectation, exploration: Exploration): string[] {
  const { violation, trace, isComplete, finals, decisions, configuration, states } = exploration;
  const where = nameOfConfiguration(configuration);
  if (violation !== undefined)
    return [[`${where}: ${violation}`, ...trace.map((line) => `    ${line}`)].join('\n')];
  if (!isComplete) return [`${where}: stopped after ${states} states, for want of memory`];
  if (expectation === 'stalls' && decisions > 0) return [`${where}: a decision can be reached`];
  return expectation === 'safe' && finals === 0 ? [`${where}: no decision can be reached`] : [];
}
